"""The synthetic data sets: drawn from a known truth, no file needed."""

from harness.data.checkerboard import CheckerboardParams, checkerboard
from harness.data.entry import DatasetEntry
from harness.data.planted_clusters import PlantedClustersParams, planted_clusters
from harness.data.planted_crosses import PlantedCrossesParams, planted_crosses
from harness.data.planted_log import PlantedLogParams, planted_log
from harness.data.planted_vectors import PlantedVectorsParams, planted_vectors

SYNTHETIC = (
    DatasetEntry(
        "planted_log",
        "realistic mixture of popularity, clusters, field crosses and noise",
        PlantedLogParams,
        planted_log,
    ),
    DatasetEntry(
        "planted_crosses",
        "relevance is a sum of products of user and item fields, of high rank",
        PlantedCrossesParams,
        planted_crosses,
    ),
    DatasetEntry(
        "planted_clusters",
        "users pick from their own cluster: a low-dimensional dot product says it all",
        PlantedClustersParams,
        planted_clusters,
    ),
    DatasetEntry(
        "checkerboard",
        "even users pick even items, odd users odd ones",
        CheckerboardParams,
        checkerboard,
    ),
    DatasetEntry(
        "planted_vectors",
        "a clustered catalogue of vectors of any size, and query vectors near its items",
        PlantedVectorsParams,
        planted_vectors,
    ),
)
