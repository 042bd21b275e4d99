"""SparCode: a query becomes codes, each code has a posting list, serving adds up a few lists."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch

from harness.errors import MethodError
from harness.interactions import Interactions, Queries
from harness.lists import FloatArray, IntArray, Lists
from harness.progress import Progress, silent
from harness.retriever import Capability, Footprint
from harness.spaces import Range, Space
from harness.topk import PAD_ID, PAD_SCORE, TopK, select_top_k
from methods.encoders.serving import history_limit
from methods.encoders.serving_kernel.write import COMPILE_S, number_lists
from methods.sparcode.built_lists import codes_with_lists, packed_lists
from methods.sparcode.index.lists_file import FILE, PackedFile, open_packed
from methods.sparcode.model.encoder import Tokens
from methods.sparcode.model.model import SparCodeModel
from methods.sparcode.params import INDEX_PARAMS, SparCodeParams, SparCodeSearch
from methods.sparcode.saved import KIND, Saved
from methods.sparcode.serving.compiled_encoder import Coded
from methods.sparcode.serving.fallback import PopularityFallback
from methods.sparcode.serving.packed_kernel.merge import COMPILE_S as MERGE_COMPILE_S
from methods.sparcode.serving.rescore import best_of, dot_scores
from methods.sparcode.serving.served_lists import ServedLists
from methods.sparcode.serving.served_model import ServedModel
from methods.sparcode.serving.tower_side import TowerSide
from methods.training import LearnedRetriever


class EncodedQueries(NamedTuple):
    """Which posting lists each query adds up.

    ``lists`` int64 (n, L), -1 where a code has no list. ``weights`` float32 (n, L), or None where
    all are 1. Where candidates are to be scored again there are ``tokens``, or of towers the
    queries' ``vectors``, float32 (n, dim).
    """

    lists: IntArray
    weights: FloatArray | None
    tokens: Tokens | None = None
    vectors: FloatArray | None = None


class SparCode(LearnedRetriever[SparCodeModel]):
    """Score an item by the posting lists of the query's codes: y = sum of w * ReLU(s(code, i) + b).

    A tokenizer turns history and fields into tokens, a product quantiser each token into its
    nearest code or several with weights, and an interaction scores (code, item). Offline, each code
    that the training queries use gets the list of its items with a positive score, cut by rules,
    scores packed into whole numbers. Online the lists of the query's codes are added up and no
    network sees (query, item), unless candidates are scored again. A code without a list, first
    seen in a query, adds nothing; `counters` says how often. What the lists lose against the
    exhaustive score (cuts, packing, codes without a list) is ``ann_recall``.

    Cost: codes in use * n_items interactions to build; per query the distances to all codewords and
    the length of K * J lists. Not to be searched by two threads at a time.

    Ours, not known to be the paper's: several codes a token with weights, codebooks per token, by
    default learned by their own gradient, a k-means start, an inner product beside the perceptron,
    tokens of single fields, the schedule of b, cuts, packed scores and scoring candidates again.

    References
    ----------
    Su et al., "Beyond Two-tower Matching: Learning Sparse Retrievable Cross-interactions for
    Recommendation", SIGIR 2023.
    """

    BuildParams: ClassVar[type[SparCodeParams]] = SparCodeParams
    SearchParams: ClassVar[type[SparCodeSearch]] = SparCodeSearch
    TuneSpace: ClassVar[Space] = {
        "learning_rate": Range(5e-4, 5e-2, log=True),
        "dim": (32, 64, 128),
        "n_negatives": (64, 256, 1024),
        "weight_decay": (0.0, 1e-3, 1e-2, 1e-1),
        "n_heads": (1, 2, 4),
        "n_codewords": (64, 256, 1024),
        "n_nearest": (2, 4, 8),
        "density": Range(0.05, 0.9, log=True),
    }
    capabilities: ClassVar[frozenset[Capability]] = LearnedRetriever.capabilities | {
        Capability.SCORE,
        Capability.ENCODE,
        Capability.SAVE,
        Capability.COUNTERS,
    }
    index_params: frozenset[str] = INDEX_PARAMS
    devices: ClassVar[tuple[str, ...]] = ("cpu", "cuda")
    kind: ClassVar[str] = KIND
    exact: bool = False
    search_stages: ClassVar[tuple[str, ...]] = ("encode", "transfer", "scoring", "top_k")
    build_stages: ClassVar[tuple[str, ...]] = (
        "item_vectors",
        "code_assignment",
        "precompute",
        "index_build",
    )

    build_params: SparCodeParams
    search_params: SparCodeSearch

    def __init__(
        self,
        build_params: Any = None,
        *,
        device: str = "cpu",
        seed: int = 0,
        progress: Progress = silent,
    ) -> None:
        """Keep the parameters, and see which of them training does not read."""
        super().__init__(build_params, device=device, seed=seed, progress=progress)
        self.index_params = self.build_params.of_index

    def new_model(self, train: Interactions) -> SparCodeModel:
        """See `LearnedRetriever`; training stops by the score of the quantised model."""
        self._log = train
        return SparCodeModel(train, self.build_params.model, self.device)

    def build(self) -> None:
        """Make a posting list for each code that a training query uses."""
        log, params, stored = self._log, self.build_params, self._model.stored
        self._ordered = log.ordered
        self._restarts, self._item_width = int(self._model.restarts), self._model.items.width
        self._served = ServedModel.of(self._model, log.query_schema, self.device)
        self.mark("item_vectors")
        self._used = codes_with_lists(self._served, stored, log, params)
        self.mark("code_assignment")
        packed = packed_lists(
            self._served, stored, self._used, log, params, self.progress, self.mark
        )
        self._fallback = PopularityFallback.of_log(log)
        self._serve(PackedFile(packed, None, None))
        self.mark("index_build")

    def _serve(self, file: PackedFile) -> None:
        """Make the lists ready to be merged on the device, and start counting work."""
        self._list_of = self._used.numbers()
        self._lists = ServedLists(file, self._served.n_items, self.device)
        self._work = dict.fromkeys(
            ("postings", "candidates", "codes_without_list", "rescored", "filled"), 0
        )

    def search(self, queries: Queries, k: int) -> TopK:
        """Return the k best items of each query, as ``search_params`` says."""
        if self.search_params.scoring == "served":
            return self.search_encoded(self.encode(queries), queries.hidden, k)
        scores = self.score(queries, np.arange(self._served.n_items))
        self.mark("scoring")
        found = select_top_k(scores, k, queries.hidden)
        self.mark("top_k")
        return found

    def encode(self, queries: Queries) -> EncodedQueries:
        """Return the posting lists of each query's codes, and what scores candidates again."""
        coded = self._coded(queries)
        lists = coded.codes
        self._work["codes_without_list"] += number_lists(lists, self._list_of)  # in place
        rescore = self.search_params.rescore
        tokens = coded.tokens if rescore in ("dot", "full") else None
        vectors = self._tower_vectors(queries) if rescore == "towers" else None
        self.mark("encode")
        one_each = self.build_params.n_nearest == 1
        return EncodedQueries(lists, None if one_each else coded.weights, tokens, vectors)

    def search_encoded(self, encoded: EncodedQueries, hidden: Lists, k: int) -> TopK:
        """Add up the lists of each query; score the best again, and fill up, where asked to."""
        params = self.search_params
        n_wanted = k
        if params.rescore != "none":
            n_wanted = min(max(k, params.candidates), self._served.n_items)
        found, n_postings, n_candidates = self._lists.merge(
            encoded.lists, encoded.weights, hidden, n_wanted, cut=params.cut or None, mark=self.mark
        )
        self._work["postings"] += n_postings
        self._work["candidates"] += n_candidates
        if params.rescore != "none":
            found = self._again(encoded, found, k)
        if params.fallback == "none":
            return found
        self._work["filled"] += int((found.ids == PAD_ID).sum())
        filled = self._fallback.fill(found, hidden)
        self.mark("top_k")
        return filled

    def _again(self, encoded: EncodedQueries, found: TopK, k: int) -> TopK:
        """Return the best of the candidates by the score that ``rescore`` names."""
        self._work["rescored"] += int(np.count_nonzero(found.ids != PAD_ID))
        served, tokens = self._served, encoded.tokens
        if encoded.vectors is not None:
            scores = dot_scores(encoded.vectors, self._towers().items, found.ids)
        elif self.search_params.rescore == "dot":
            assert tokens is not None, "`encode` keeps them"
            vectors = served.dot.query_vectors(tokens)
            scores = dot_scores(vectors, served.dot.items, found.ids)
        else:
            assert tokens is not None, "`encode` keeps them"
            ids = torch.from_numpy(found.ids).to(served.bias.device)
            scores = served.scores.of_candidates(tokens, ids).cpu().numpy()
        if weight := np.float32(self.search_params.lists_weight):
            scores = scores + weight * found.scores
        best = best_of(found.ids, scores, k)
        self.mark("scoring")
        return best

    def score(self, queries: Queries, item_ids: IntArray) -> FloatArray:
        """Return the trained score that the setting stands for, float32 (n, n_item_ids).

        Of ``served`` and ``quantised`` it is y(q, i) of the codes, before lists are cut and packed;
        where it is 0 the item has -inf, or the fallback's score. Where candidates are scored again
        it is the score that they then get, that of the codes added by ``lists_weight``.
        """
        params = self.search_params
        coded = self._coded(queries)
        self.mark("encode")
        if params.rescore != "none":
            again = self._scored_again(queries, coded, item_ids)
            if weight := np.float32(params.lists_weight):
                again = again + weight * self._served.scores.quantised(coded)[:, item_ids]
            return again
        if params.scoring == "unquantised":
            return self._served.scores.unquantised(coded)[:, item_ids]
        scores = self._served.scores.quantised(coded)[:, item_ids]
        if params.fallback == "none":
            return np.where(scores > 0, scores, np.float32(PAD_SCORE))
        return np.where(scores > 0, scores, self._fallback.scores[item_ids])

    def save(self, folder: Path) -> None:
        """Write the lists into a file that is opened in place, and all that encodes and scores."""
        Saved(
            self.build_params.model,
            self._served,
            self._used,
            self._fallback,
            self._ordered,
            self._epochs,
            self._restarts,
            self._item_width,
            self._trainings,
        ).write(folder)
        self._lists.write(folder / FILE)

    def load(self, folder: Path) -> None:
        """Become what `save` wrote; neither model nor training log is needed to serve."""
        saved = Saved.read(folder, self.build_params.model, self.device)
        self._served, self._used, self._fallback = saved.served, saved.used, saved.fallback
        self._ordered, self._epochs, self._trainings = saved.ordered, saved.epochs, saved.trainings
        self._restarts, self._item_width = saved.restarts, saved.item_width
        self._serve(open_packed(folder / FILE))

    def counters(self) -> Mapping[str, int]:
        """Return the work of searches.

        Postings read, items touched, codes without a list, candidates scored again, pads filled.
        """
        return dict(self._work)

    def footprint(self) -> Footprint:
        """Return the bytes that the setting may touch; and the health of the codes."""
        return self.account(
            self._bytes_touched(),
            {
                "epochs": self._epochs,
                "tokens": self._served.encoder.n_tokens,
                "pairs_left_out": self._served.encoder.fields.n_left_out,
                "codes_in_use": int(np.count_nonzero(self._used.uses)),
                "code_perplexity": self._used.perplexity,
                **self._lists.facts(),
                "bias": float(self._served.bias.mean()),
                "restarts": self._restarts,
                "encode_compile_s": COMPILE_S if self.device == "cpu" else 0.0,
                "merge_compile_s": MERGE_COMPILE_S if self.device == "cpu" else 0.0,
            },
        )

    def _bytes_touched(self) -> int:
        """Return the bytes that the present setting may touch, and of what scores exhaustively.

        The latter stays in memory whatever the setting; of the lists alone see ``lists_bytes``.
        """
        params = self.search_params
        total = self._served.encoder_bytes + self._served.scorer_bytes
        if params.scoring == "served":
            total += self._list_of.nbytes + self._lists.nbytes
        if params.fallback != "none":
            total += self._fallback.nbytes
        if params.rescore == "towers":
            total += self._towers().nbytes
        return total

    def _scored_again(self, queries: Queries, coded: Coded, item_ids: IntArray) -> FloatArray:
        """Return the score that ``rescore`` names, float32 (n, n_item_ids)."""
        if self.search_params.rescore == "towers":
            return np.asarray(self._tower_vectors(queries) @ self._towers().items[item_ids].T)
        if self.search_params.rescore == "dot":
            vectors = self._served.dot.query_vectors(coded.tokens)
            return np.asarray(vectors @ self._served.dot.items[item_ids].T)
        return self._served.scores.unquantised(coded)[:, item_ids]

    def _coded(self, queries: Queries) -> Coded:
        return self._served.encode(queries.history, queries.fields, self._limit())

    def _tower_vectors(self, queries: Queries) -> FloatArray:
        return self._towers().vectors(queries.history, queries.fields, self._limit())

    def _towers(self) -> TowerSide:
        if self._served.towers is None:
            raise MethodError("rescore = 'towers' needs the build parameter towers = true")
        return self._served.towers

    def _limit(self) -> int:
        return history_limit(self._ordered, self.build_params.max_history)
