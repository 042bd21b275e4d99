"""MultiInterest: several vectors per query, one index of items, the best product is the score."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch

from harness.arrays import load_arrays, save_arrays
from harness.interactions import Interactions, Queries
from harness.lists import FloatArray, IntArray, Lists
from harness.progress import Progress, silent
from harness.retriever import Capability, Footprint
from harness.spaces import Range, Space
from harness.topk import PAD_ID, PAD_SCORE, TopK
from methods.ann.choice import SETTINGS, IndexSearch
from methods.batches import serving_history
from methods.candidates import best_of, union_of
from methods.encoders.state import load_state, state_arrays
from methods.multi_interest.interests import Interests
from methods.multi_interest.model import MultiInterestModel
from methods.multi_interest.params import MultiInterestParams
from methods.training import LearnedRetriever

INDEX = "index"  # folder of a saved approximate index, which holds the item vectors


class EncodedQueries(NamedTuple):
    """Interests on the host: float32 (n, K, dim), of which the first ``counts``, (n,), count."""

    vectors: FloatArray
    counts: IntArray


class MultiInterest(LearnedRetriever[MultiInterestModel]):
    """Rank items by the best inner product of the query's K interests with the item's vector.

    The interests come from the items of the history: weighted means (ComiRec-SA), capsules
    (ComiRec-DR), or as many capsules as the history is long enough for (MIND); see
    `methods.multi_interest.routing`. A step trains the interest nearest to the target, or MIND's
    label-aware mean of them, by the loss asked for, stopped on validation.

    Search asks one index of item vectors for the k best of each interest, and takes of the union
    each item's best product. With the exact index that is exact: what stands before an item in the
    list of its best interest has a score at least as high, so an item among the k best by score
    is among the k best of its best interest. It costs K searches of ``index``: K * n_items * dim
    multiplications a query where that is exact, and memory for the item vectors. With ``ivf`` or
    ``hnsw`` an item is found, and given its score, as far as the index finds it; `score` stays
    exhaustive, so ``ann_recall`` says what is lost.

    Of ComiRec its controllable aggregation is left out: it trades accuracy for diversity by
    categories, and lambda = 0 is what is served here. Neither paper has the perceptrons of ``tower
    = "mlp"`` in this form; MIND joins user fields to each interest by layers of its own.

    References
    ----------
    Cen et al., "Controllable Multi-Interest Framework for Recommendation", KDD 2020 (ComiRec).
    Li et al., "Multi-Interest Network with Dynamic Routing for Recommendation at Tmall", CIKM 2019.
    """

    BuildParams: ClassVar[type[MultiInterestParams]] = MultiInterestParams
    SearchParams: ClassVar[type[IndexSearch]] = IndexSearch
    TuneSpace: ClassVar[Space] = {
        "learning_rate": Range(5e-4, 5e-2, log=True),
        "dim": (32, 64, 128),
        "n_negatives": (64, 256, 1024),
        "weight_decay": (0.0, 1e-3, 1e-2, 1e-1),
        "n_interests": (2, 4, 8),
    }
    capabilities: ClassVar[frozenset[Capability]] = LearnedRetriever.capabilities | {
        Capability.SCORE,
        Capability.ENCODE,
        Capability.SAVE,
        Capability.COUNTERS,
    }
    index_params: frozenset[str] = SETTINGS
    devices: ClassVar[tuple[str, ...]] = ("cpu", "cuda")
    search_stages: ClassVar[tuple[str, ...]] = ("encode", "transfer", "scoring", "top_k")
    build_stages: ClassVar[tuple[str, ...]] = ("item_vectors", "index_build")
    kind: ClassVar[str] = "multi_interest"

    build_params: MultiInterestParams
    search_params: IndexSearch

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
        self.exact = self.build_params.index == "flat"
        self._index = self.build_params.new_index(device, seed)
        self._candidates = 0

    def new_model(self, train: Interactions) -> MultiInterestModel:
        """See `LearnedRetriever`."""
        return MultiInterestModel(train, self.build_params, self.device)

    def build(self) -> None:
        """Compute all item vectors and hand them to the index."""
        model = self._model
        with torch.inference_mode():
            vectors = model.catalogue_vectors().cpu().numpy()
            self._item_table = model.items.history_table()
        self._tower = model.interest_tower
        self.mark("item_vectors")
        self._index.train(vectors)
        self._index.add(vectors)
        self.mark("index_build")

    def encode(self, queries: Queries) -> EncodedQueries:
        """Return the interests of queries."""
        history = serving_history(queries, self._ordered, self.build_params.max_history)
        with torch.inference_mode():
            found: Interests = self._tower(history, queries.fields, self._item_table)
            encoded = EncodedQueries(*(one.cpu().numpy() for one in found))
        self.mark("encode")
        return encoded

    def search_encoded(self, encoded: EncodedQueries, hidden: Lists, k: int) -> TopK:
        """Return the k best items for interests; each interest is a query of the index."""
        n, n_interests, _ = encoded.vectors.shape
        self.build_params.tune(self._index, self.search_params)
        present = np.arange(n_interests) < encoded.counts[:, None]
        rows, places = np.nonzero(present)
        vectors = np.ascontiguousarray(encoded.vectors[rows, places])
        found = self._index.search_visible(vectors, hidden.take(rows), k, self.mark)
        ids = np.full((n, n_interests, k), PAD_ID, np.int64)
        scores = np.full((n, n_interests, k), PAD_SCORE, np.float32)
        ids[rows, places], scores[rows, places] = found.ids, found.scores
        width = n_interests * k
        candidates, highest = union_of(ids.reshape(n, width), scores.reshape(n, width))
        self._candidates += candidates.ids.size
        best = best_of(candidates, highest, k)
        self.mark("top_k")
        return best

    def search(self, queries: Queries, k: int) -> TopK:
        """Encode, search with every interest, and take each item's best."""
        return self.search_encoded(self.encode(queries), queries.hidden, k)

    def score(self, queries: Queries, item_ids: IntArray) -> FloatArray:
        """Return the best products, float32 (n, n_item_ids)."""
        encoded = self.encode(queries)
        interests = Interests(*(torch.from_numpy(one) for one in encoded))
        items = torch.from_numpy(self._index.vectors()[item_ids])
        return np.asarray(interests.scores(items).numpy())

    def save(self, folder: Path) -> None:
        """Write item vectors, the item table of histories, and the weights of the query side."""
        arrays = {
            "item_table": self._item_table.detach().cpu().numpy(),
            **state_arrays(self._tower, "interest_tower"),
        }
        if self.exact:
            arrays["vectors"] = self._index.vectors()
        else:
            (folder / INDEX).mkdir()
            self._index.save(folder / INDEX)
        save_arrays(folder, self.kind, arrays, self.log_and_training_facts())

    def load(self, folder: Path) -> None:
        """Become what `save` wrote; the item tower and the training log are not needed."""
        arrays, facts = load_arrays(folder, self.kind)
        self.take_log_and_training_facts(facts)
        self._tower = self.build_params.interest_tower(self._query_schema, ordered=self._ordered)
        load_state(self._tower, "interest_tower", arrays, self.device)
        self._item_table = torch.from_numpy(arrays["item_table"]).to(self.device, copy=True)
        if self.exact:
            self._index.add(arrays["vectors"])
        else:
            self._index.load(folder / INDEX)

    def counters(self) -> Mapping[str, int]:
        """Return inner products computed by searches, and the distinct items they found."""
        return {"distances": self._index.distances, "candidates": self._candidates}

    def footprint(self) -> Footprint:
        """Return the bytes of the index and of what encodes a query."""
        encoder = [self._item_table, *self._tower.state_dict().values()]
        weights = sum(one.numel() * one.element_size() for one in encoder)
        return self.account(self._index.nbytes + weights, {})
