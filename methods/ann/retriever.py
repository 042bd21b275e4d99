"""Every index as a retriever: search over vectors that come with the data."""

from typing import ClassVar

import numpy as np
import torch

from harness.interactions import Queries
from harness.retriever import Capability, Retriever
from harness.topk import TopK
from methods.ann.torch_flat import Found, Placed, TorchFlat
from methods.ann.vector_retriever import VectorRetriever


class Flat(VectorRetriever):
    """Exact search over given vectors: every inner product, by faiss on the CPU, torch on a GPU.

    Cost: n_items * dim multiplications a query, and the vectors in memory.
    """

    index = "flat"
    capabilities: ClassVar[frozenset[Capability]] = VectorRetriever.capabilities | {
        Capability.RESIDENT
    }
    search_stages: ClassVar[tuple[str, ...]] = ("encode", "transfer", "scoring", "top_k")

    def to_device(self, queries: Queries) -> Placed:
        """Copy the query vectors and what is hidden to the device."""
        vectors = torch.from_numpy(np.ascontiguousarray(self.encode(queries)))
        return Placed.of(vectors, queries.hidden, self.device)

    def search_resident(self, placed: Placed, k: int) -> Found:
        """Return the k best, left on the device."""
        assert isinstance(self._index, TorchFlat), "on a device the exact index is torch's"
        self._tune()
        return self._index.search_placed(placed, k, self.mark)

    def to_host(self, found: Found) -> TopK:
        """Copy answers to the host."""
        return found.to_host()


class TorchExact(Flat):
    """Exact search over given vectors by torch on any device, or by bfloat16 and a second look.

    Cost as `Flat`. With ``index_precision = "bfloat16"`` the vectors are held twice, products are
    computed in bfloat16, and those of the best ``k_factor`` * k again in float32; `ann_recall` says
    what the rounding lost.
    """

    index = "torch_flat"


class FaissExact(VectorRetriever):
    """Exact search over given vectors: every inner product, by faiss on the CPU or a GPU.

    Cost: n_items * dim multiplications a query, and the vectors in memory.
    """

    index = "faiss_flat"


class IVF(VectorRetriever):
    """Search over given vectors in the cells of a k-means that are nearest to the query.

    Cost: k-means over train_per_list * nlist vectors, nlist * n_items * dim multiplications to
    build; nlist + nprobe * n_items / nlist inner products a query, on average, more where cells are
    unequal. Memory: the vectors, 8 bytes an item, the centroids.

    References
    ----------
    Jégou, Douze and Schmid, PAMI 2011, section 4 (inverted file). Douze et al., "The Faiss
    library", 2024.
    """

    index = "ivf"


class IVFPQ(VectorRetriever):
    """Search in the cells nearest to the query, vectors held as product-quantised residuals.

    Cost: as `IVF` to build, and a k-means of 2^bits codewords a block; a query makes a table of
    2^bits products a block and adds up dim / dims_per_block of its entries for each item of its
    cells. Memory: bits / 8 bytes a block and item, 8 bytes an item, centroids, codewords.

    References
    ----------
    Jégou, Douze and Schmid, PAMI 2011, sections 3 and 4 (for inner products, not distances).
    """

    index = "ivf_pq"


class IVFPQRefine(VectorRetriever):
    """As `ivf_pq`, and the best k_factor * k get their exact inner products.

    Cost: that of `IVFPQ`, and k_factor * k inner products a query. Memory: also the vectors.

    References
    ----------
    Jégou, Tavenard, Douze and Amsaleg, ICASSP 2011 (re-ranking; here with whole vectors).
    """

    index = "ivf_pq_refine"


class IVFPQFastScan(VectorRetriever):
    """As `ivf_pq` with codes of 4 bits, of which 32 are looked up at a time in registers.

    Cost: that of `IVFPQ` at a fraction of the time an item; table entries are rounded to a byte.
    Memory: half a byte a block and item, cells filled up to whole groups of 32.

    References
    ----------
    André, Kermarrec and Le Scouarnec, VLDB 2015 (PQ Fast Scan). Douze et al., "The Faiss library",
    2024.
    """

    index = "ivf_pq_fast_scan"


class IVFPQFastScanRefine(VectorRetriever):
    """As `ivf_pq_fast_scan`, and the best k_factor * k get their exact inner products.

    Cost: that of `IVFPQFastScan`, and k_factor * k inner products a query. Memory: also the
    vectors. References as there and in `IVFPQRefine`.
    """

    index = "ivf_pq_fast_scan_refine"


class SQ8(VectorRetriever):
    """Search over given vectors held as a byte a dimension; every item is scored.

    Cost: n_items * dim multiplications a query, after a byte is turned into a number each; a fourth
    of the vectors' memory.

    References
    ----------
    Douze et al., "The Faiss library", 2024 (scalar quantizer).
    """

    index = "sq8"


class SQ8Refine(VectorRetriever):
    """As `sq8`, and the best k_factor * k get their exact inner products.

    Cost: that of `SQ8`, and k_factor * k inner products a query. Memory: also the vectors.
    """

    index = "sq8_refine"


class HNSW(VectorRetriever):
    """Search over given vectors by walking a graph of near neighbours, from layer to layer.

    Cost: about ef_construction * M inner products per inserted vector and layer to build, growing
    with the logarithm of n_items; a query computes what `counters` says. Memory: the vectors and 2
    M neighbours of 4 bytes an item. With more than one thread for building, the graph, and so the
    answers, depend on the order in which threads insert.

    References
    ----------
    Malkov and Yashunin, PAMI 2020, algorithms 1 and 5. Douze et al., "The Faiss library", 2024.
    Bachrach et al., RecSys 2014, section 3.1 (`methods.ann.euclidean`: whose neighbours).
    """

    index = "hnsw"


class UncountedRetriever(VectorRetriever):
    """Of an index whose library tells nothing of its work."""

    index = "flat"  # of none: subclasses name theirs
    capabilities: ClassVar[frozenset[Capability]] = VectorRetriever.capabilities - {
        Capability.COUNTERS
    }
    counters = Retriever.counters  # undeclared: there is nothing to count with


class Hnswlib(UncountedRetriever):
    """Search over given vectors by walking the graph of `hnsw`, built by its authors' library.

    Cost and parameters as `HNSW`. Needs the extra `hnswlib` (Apache-2.0), which comes as source and
    takes a C++ compiler. hnswlib tells no work.

    References
    ----------
    Malkov and Yashunin, PAMI 2020, algorithms 1 to 5.
    """

    index = "hnswlib"


class Scann(UncountedRetriever):
    """Search over given vectors by ScaNN: near cells, codes looked up, exact products of the best.

    Cost: k-means over at most 100,000 vectors and leaves * n_items * dim multiplications to build;
    a query compares itself with the leaves' centres, adds up n_items * leaves_to_search / leaves
    times dim / dims_per_block table entries on average, and computes `reorder` inner products.
    Memory: the vectors, half a byte a block and item, the centres. Needs the extra `scann`
    (Apache-2.0). ScaNN counts no work and takes no seed: fitted twice, the answers differ where not
    all cells are searched.

    References
    ----------
    Guo, Sun, Lindgren, Geng, Simcha, Chern and Kumar, "Accelerating Large-Scale Inference with
    Anisotropic Vector Quantization", ICML 2020. Sun, Simcha, Dopson, Guo and Kumar, "SOAR:
    Improved Indexing for Approximate Nearest Neighbor Search", NeurIPS 2023.
    """

    index = "scann"


class Cagra(UncountedRetriever):
    """Search over given vectors by walking a graph of near neighbours on a GPU: CAGRA of cuVS.

    Cost: a graph of intermediate_graph_degree neighbours an item to build, pruned to graph_degree;
    a query walks it with itopk_size candidates. Memory: the vectors, graph_degree * 4 bytes an
    item. Needs a faiss built with cuVS, and a GPU; a GPU tells no work.

    References
    ----------
    Ootomo, Naruse, Nolet, Wang, Feher and Wang, "CAGRA: Highly Parallel Graph Construction and
    Approximate Nearest Neighbor Search for GPUs", ICDE 2024.
    """

    index = "cagra"
