"""Popularity, ItemKNN and SLIM give back the published figures of Gowalla in the LightGCN split."""

import zipfile

import numpy as np
import pytest

from harness.interactions import Interactions, Queries
from harness.lists import Lists
from harness.metrics.evaluate import evaluate
from harness.metrics.metric import parse_metric
from methods.classical.item_knn import ItemKNN, ItemKNNParams
from methods.classical.popularity import Popularity
from methods.classical.slim import SLIM, SLIMParams

N_ITEMS = 40_981
METRICS = [parse_metric("recall@20"), parse_metric("ndcg@20")]

pytestmark = pytest.mark.data


@pytest.fixture(scope="module")
def gowalla(data_root):
    """Return training and test lists, read here so that no reader of ours is in between."""
    parts = []
    with zipfile.ZipFile(data_root / "gowalla" / "light_gcn_gowalla.zip") as archive:
        for part in ("train", "test"):
            text = archive.read(f"light_gcn_gowalla/{part}.txt").decode()
            parts.append([sorted(map(int, line.split()[1:])) for line in text.splitlines()])
    return Lists.of(parts[0]), Lists.of(parts[1])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "recall", "ndcg"),
    [
        (Popularity(), 0.0416, 0.0317),
        # BARS: the n_neighbours best of the scored item, made to sum to 1, on centred events
        (ItemKNN(ItemKNNParams(n_neighbours=100, normalise=True, centred=True)), 0.1570, 0.1214),
        # BARS: scikit-learn's ElasticNet(alpha=0.005, l1_ratio=1e-6, positive=True), 29,858 users
        (SLIM(SLIMParams(l1=29_858 * 5e-9, l2=29_858 * 0.005)), 0.1699, 0.1382),
    ],
    ids=["popularity", "item_knn", "slim"],
)
def test_published_figures(gowalla, method, recall, ndcg):
    """Recall@20 and NDCG@20 over all test users, training items hidden, are within 0.0005."""
    train, test = gowalla
    method.fit(Interactions(train, N_ITEMS))
    method.build()
    queries = Queries(np.arange(len(train)), train, train)
    blocks = np.array_split(np.arange(len(train)), 100)
    ids = np.concatenate([method.search(queries.take(rows), 20).ids for rows in blocks])
    values = evaluate(METRICS, ids, test, N_ITEMS)
    assert values["recall@20"].mean() == pytest.approx(recall, abs=0.0005)
    assert values["ndcg@20"].mean() == pytest.approx(ndcg, abs=0.0005)
