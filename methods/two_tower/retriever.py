"""TwoTower: a vector per query, a vector per item, search by inner product, exact or not."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch

from harness.arrays import load_arrays, save_arrays
from harness.errors import MethodError
from harness.interactions import Interactions, Queries
from harness.lists import FloatArray, IntArray, Lists
from harness.progress import Progress, silent
from harness.retriever import Capability, Footprint
from harness.spaces import Range, Space
from harness.topk import TopK
from methods.ann.indexes import INDEX_PARAMS, IndexSearch, new_index
from methods.ann.torch_flat import Found, Placed, TorchFlat
from methods.encoders.query import Inputs
from methods.training import LearnedRetriever
from methods.two_tower.params import TwoTowerParams
from methods.two_tower.query_encoder import QueryEncoder
from methods.two_tower.towers import TwoTowerModel

INDEX = "index"  # folder of the saved index


class PlacedQueries(NamedTuple):
    """Queries on a device: what the query tower takes; what is hidden, with no vectors yet."""

    inputs: Inputs
    hidden: Placed


class TwoTower(LearnedRetriever[TwoTowerModel]):
    """Rank items by the inner product of a query's and an item's vector, searched exactly or not.

    The query vector comes from the history's item vectors (their mean, or what ``encoder`` names)
    and the query's fields, the item vector from id and fields; trained by the loss asked for
    (sampled softmax with log-Q correction on shared negatives, unless said otherwise), stopped on
    validation. With ``encoder = "sasrec"``, ``tower = "none"`` and ``loss = "full_softmax"`` it is
    SASRec with full cross-entropy.

    Exact search costs n_items * dim multiplications a query: faiss on the CPU, torch on a GPU. With
    ``index`` another index serves the same vectors, and `score` stays the exhaustive product, so
    ``ann_recall`` says what the index loses. An index is a build parameter, so a trial of its own;
    the harness hands the trained model from one to the next.

    References
    ----------
    Covington, Adams and Sargin, RecSys 2016 (history mean, sampled softmax). Yi et al., RecSys 2019
    (two towers, log-Q correction). Of the encoders: `methods.encoders`.
    """

    BuildParams: ClassVar[type[TwoTowerParams]] = TwoTowerParams
    SearchParams: ClassVar[type[IndexSearch]] = IndexSearch
    TuneSpace: ClassVar[Space] = {
        "learning_rate": Range(5e-4, 5e-2, log=True),
        "dim": (32, 64, 128),
        "n_negatives": (64, 256, 1024),
        "weight_decay": (0.0, 1e-3, 1e-2, 1e-1),
    }
    capabilities: ClassVar[frozenset[Capability]] = LearnedRetriever.capabilities | {
        Capability.SCORE,
        Capability.ENCODE,
        Capability.SAVE,
        Capability.COUNTERS,
        Capability.RESIDENT,
    }
    index_params: frozenset[str] = INDEX_PARAMS | {"index"}
    devices: ClassVar[tuple[str, ...]] = ("cpu", "cuda")
    search_stages: ClassVar[tuple[str, ...]] = ("encode", "transfer", "scoring", "top_k")
    build_stages: ClassVar[tuple[str, ...]] = ("item_vectors", "index_build")
    kind: ClassVar[str] = "two_tower"

    build_params: TwoTowerParams
    search_params: IndexSearch
    _tuned: IndexSearch | None = None
    _vectors: FloatArray | None = None  # where the index does not hold them

    def __init__(
        self,
        build_params: Any = None,
        *,
        device: str = "cpu",
        seed: int = 0,
        progress: Progress = silent,
    ) -> None:
        """Keep the parameters; refuse an index that cannot run on the device, before training."""
        super().__init__(build_params, device=device, seed=seed, progress=progress)
        params = self.build_params
        self.exact = params.kind.is_exact(params.of_index)
        self._index = new_index(params.index, params.of_index, device=device, seed=seed)

    @classmethod
    def settle_search(cls, build_params: TwoTowerParams, search_params: IndexSearch) -> IndexSearch:
        """Fill in the defaults of the index; refuse what it does not take."""
        return search_params.settled(build_params.index)

    def new_model(self, train: Interactions) -> TwoTowerModel:
        """See `LearnedRetriever`."""
        params = self.build_params
        return TwoTowerModel(
            train, params.dim, params.hidden, self.device, params, params.tower, params.similarity
        )

    def build(self) -> None:
        """Compute all item vectors and hand them to the index."""
        model = self._model
        with torch.inference_mode():
            vectors = model.catalogue_vectors().cpu().numpy()
            item_table = model.items.history_table()
        self._encoder = QueryEncoder(
            model.query_tower,
            item_table,
            self._query_schema,
            self.build_params,
            ordered=self._ordered,
            device=self.device,
        )
        self.mark("item_vectors")
        self._index.train(vectors)
        self._index.add(vectors)
        self._vectors = None if self._index.holds_vectors else vectors
        self._tuned = None
        self.mark("index_build")

    def encode(self, queries: Queries) -> FloatArray:
        """Return query vectors, float32 (n, dim)."""
        vectors = self._encoder.vectors(queries)
        self.mark("encode")
        return vectors

    def search_encoded(self, encoded: FloatArray, hidden: Lists, k: int) -> TopK:
        """Return the k best items for query vectors, float32 (n, dim)."""
        self._tune()
        return self._index.search_visible(encoded, hidden, k, self.mark)

    def _tune(self) -> None:
        """Hand the search parameters to the index, once for each change of them."""
        if self._tuned is not self.search_params:
            self._index.tune(self.search_params.of_index(self.build_params.index))
            self._tuned = self.search_params

    def search(self, queries: Queries, k: int) -> TopK:
        """Encode, then search; on a GPU torch's index lets nothing come back between the two."""
        if self.device != "cpu" and isinstance(self._index, TorchFlat):
            placed = self.to_device(queries)
            self.mark("transfer")
            found = self.to_host(self.search_resident(placed, k))
            self.mark("transfer")
            return found
        return self.search_encoded(self.encode(queries), queries.hidden, k)

    def to_device(self, queries: Queries) -> PlacedQueries:
        """Copy histories, fields and hidden items to the device."""
        inputs = self._encoder.inputs(queries)
        nothing = torch.empty((len(queries), 0), device=self.device)
        return PlacedQueries(inputs, Placed.of(nothing, queries.hidden, self.device))

    def search_resident(self, placed: PlacedQueries, k: int) -> Found:
        """Encode and search; the answers are left on the device.

        Raises
        ------
        MethodError
            The index takes queries from the host: it is none of torch's.
        """
        if not isinstance(self._index, TorchFlat):
            index = self.build_params.index
            raise MethodError(f"index = {index!r} takes queries from the host; torch_flat does not")
        self._tune()
        with torch.inference_mode():
            vectors = self._encoder.vectors_of(placed.inputs)
        self.mark("encode")
        return self._index.search_placed(placed.hidden._replace(vectors=vectors), k, self.mark)

    def to_host(self, found: Found) -> TopK:
        """Copy answers to the host."""
        return found.to_host()

    def score(self, queries: Queries, item_ids: IntArray) -> FloatArray:
        """Return inner products, float32 (n, n_item_ids)."""
        vectors = self._index.vectors() if self._vectors is None else self._vectors
        return np.asarray(self.encode(queries) @ vectors[item_ids].T)

    def save(self, folder: Path) -> None:
        """Write item vectors, the item table of histories, and the weights of the query tower."""
        (folder / INDEX).mkdir()
        self._index.save(folder / INDEX)
        facts = {**self._encoder.facts(), **self.training_facts()}
        save_arrays(folder, self.kind, self._encoder.arrays(), facts)

    def load(self, folder: Path) -> None:
        """Become what `save` wrote; the item tower and the training log are not needed."""
        arrays, facts = load_arrays(folder, self.kind)
        self.take_training_facts(facts)
        self._encoder = QueryEncoder.of_arrays(arrays, facts, self.build_params, self.device)
        self._index.load(folder / INDEX)
        self._vectors = self._tuned = None

    def counters(self) -> Mapping[str, int]:
        """Return inner products computed by searches."""
        return {"distances": self._index.distances}

    def footprint(self) -> Footprint:
        """Return the bytes of the index and of the weights that encode a query."""
        return self.account(self._index.nbytes + self._encoder.nbytes, self._index.details)
