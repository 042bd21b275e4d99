"""PolyEncoder: m vectors of a query, over which each item attends; exact or from candidates."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from harness.arrays import load_arrays, save_arrays
from harness.errors import MethodError
from harness.interactions import Interactions, Queries
from harness.lists import FloatArray, IntArray
from harness.progress import Progress, silent
from harness.retriever import Capability, Footprint
from harness.spaces import Range, Space
from harness.topk import TopK
from methods.ann.choice import SETTINGS
from methods.batches import Batch, serving_history
from methods.encoders.state import load_state, state_arrays
from methods.exhaustive import best_of_all
from methods.late_interaction.poly import poly_scores
from methods.late_interaction.poly_model import PolyEncoderModel, QueryCodes
from methods.late_interaction.poly_params import PolyEncoderParams, PolyEncoderSearch
from methods.late_interaction.poly_search import PolySearch
from methods.training import LearnedRetriever

INDEX = "index"  # folder of a saved index of candidates
SERVED_PRODUCTS = 1 << 20  # products held at once while searching: 4 MiB
NO_TARGETS = np.zeros(0, np.int64)


class PolyEncoder(LearnedRetriever[PolyEncoderModel]):
    """Score an item by its inner product with what it attends to among m vectors of the query.

    Each of m learned codes attends over the query's tokens (a summary, every position of the
    history, a token per field) and makes a vector; the item's vector attends over these. Encoders,
    losses, negatives and training are those of the two towers, and so is the item's vector.

    With ``index = "exact"`` every item is scored: n_items * m * dim multiplications a query. Else
    each of the m vectors searches an index of the items' vectors, and all items found are scored
    exactly. The largest of an item's m products is at least its score, so a search by the maximum
    looks in the right place, but proves nothing; `score` stays exhaustive, and ``ann_recall`` says
    what is lost. The paper scores given candidates and has no such search.

    Other differences from the paper: tokens come from embeddings and the shared encoders, no
    language model; the summary stands in for the first of a transformer's outputs.

    References
    ----------
    Humeau, Shuster, Lachaux and Weston, "Poly-encoders", ICLR 2020, sec. 4.4.
    """

    BuildParams: ClassVar[type[PolyEncoderParams]] = PolyEncoderParams
    SearchParams: ClassVar[type[PolyEncoderSearch]] = PolyEncoderSearch
    TuneSpace: ClassVar[Space] = {
        "learning_rate": Range(5e-4, 5e-2, log=True),
        "dim": (32, 64, 128),
        "n_codes": (2, 8, 32),
        "n_negatives": (64, 256, 1024),
        "weight_decay": (0.0, 1e-3, 1e-2, 1e-1),
    }
    capabilities: ClassVar[frozenset[Capability]] = LearnedRetriever.capabilities | {
        Capability.SCORE,
        Capability.SAVE,
        Capability.COUNTERS,
    }
    index_params: frozenset[str] = SETTINGS
    devices: ClassVar[tuple[str, ...]] = ("cpu", "cuda")
    search_stages: ClassVar[tuple[str, ...]] = (
        "encode",
        "transfer",
        "candidates",
        "scoring",
        "top_k",
    )
    build_stages: ClassVar[tuple[str, ...]] = ("item_vectors", "index_build")
    kind: ClassVar[str] = "poly_encoder"

    build_params: PolyEncoderParams
    search_params: PolyEncoderSearch
    _candidates: PolySearch | None = None

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
        self.exact = params.index == "exact"
        if not self.exact and device != "cpu":
            raise MethodError(
                f"index = {params.index!r} runs on the CPU, not on {device}; 'exact' does"
            )
        self._index = None if self.exact else params.new_index(device, seed)

    def new_model(self, train: Interactions) -> PolyEncoderModel:
        """See `LearnedRetriever`."""
        return PolyEncoderModel(train, self.build_params, self.device)

    def build(self) -> None:
        """Compute the vectors of all items, and hand them to the index where there is one."""
        with torch.inference_mode():
            self._items = self._model.catalogue_vectors().contiguous()
            self._item_table = self._model.items.history_table()
        self._queries, self._scored = self._model.queries, 0
        self.mark("item_vectors")
        if self._index is not None:
            vectors = self._items.numpy()
            self._index.train(vectors)
            self._index.add(vectors)
            self._candidates = PolySearch(self._index, vectors, self.build_params)
        self.mark("index_build")

    def search(self, queries: Queries, k: int) -> TopK:
        """Return the k best items, of all or of the candidates that ``search_params`` ask for."""
        vectors = self._encode(queries)
        self.mark("encode")
        if self._candidates is not None:
            asked = vectors.numpy(), queries.hidden, k, self.search_params
            return self._candidates.search(*asked, self.mark)
        self._scored += len(queries) * len(self._items)
        return best_of_all(
            lambda rows: poly_scores(vectors[rows], self._items, SERVED_PRODUCTS),
            len(self._items), queries.hidden, k, self.device, self.mark,
        )  # fmt: skip

    def _encode(self, queries: Queries) -> Tensor:
        """Return the m vectors of each query, (n, m, dim)."""
        history = serving_history(queries, self._ordered, self.build_params.max_history)
        with torch.inference_mode():
            inputs = self._queries.inputs(Batch(NO_TARGETS, history, queries.fields))
            vectors: Tensor = self._queries(inputs, self._item_table)
        return vectors

    def score(self, queries: Queries, item_ids: IntArray) -> FloatArray:
        """Return the poly-encoder's scores, float32 (n, n_item_ids)."""
        with torch.inference_mode():
            items = self._items[torch.from_numpy(item_ids).to(self.device)]
            scores = poly_scores(self._encode(queries), items, SERVED_PRODUCTS)
        return np.asarray(scores.cpu().numpy())

    def save(self, folder: Path) -> None:
        """Write the items' vectors, the index, and all that encodes a query."""
        if self._index is not None:
            (folder / INDEX).mkdir()
            self._index.save(folder / INDEX)
        arrays = {
            "item_table": self._item_table.detach().cpu().numpy(),
            "vectors": self._items.cpu().numpy(),
            **state_arrays(self._queries, "queries"),
        }
        save_arrays(folder, self.kind, arrays, self.log_and_training_facts())

    def load(self, folder: Path) -> None:
        """Become what `save` wrote; neither model nor training log is needed."""
        arrays, facts = load_arrays(folder, self.kind)
        self.take_log_and_training_facts(facts)
        self._scored = 0
        self._queries = QueryCodes(
            self._query_schema, self.build_params, self.device, ordered=self._ordered
        )
        load_state(self._queries, "queries", arrays, self.device)
        self._item_table, self._items = (
            torch.from_numpy(arrays[name]).to(self.device, copy=True)
            for name in ("item_table", "vectors")
        )
        if self._index is not None:
            self._index.load(folder / INDEX)
            self._candidates = PolySearch(self._index, self._items.numpy(), self.build_params)

    def counters(self) -> Mapping[str, int]:
        """Return items scored exactly, and inner products of the index where there is one."""
        if self._candidates is None:
            return {"items": self._scored}
        return {"items": self._candidates.items, "distances": self._candidates.index.distances}

    def footprint(self) -> Footprint:
        """Return the bytes of items' vectors, index and what encodes a query."""
        held = [self._item_table, *self._queries.state_dict().values()]
        n_bytes = sum(one.numel() * one.element_size() for one in held)
        searched = self._candidates
        n_bytes += self._items.numel() * 4 if searched is None else searched.nbytes
        return self.account(n_bytes, {})
