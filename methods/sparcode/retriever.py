"""SparCode: a query becomes codes, each code has a posting list, serving adds up a few lists."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch

from harness.arrays import Array, load_arrays, save_arrays
from harness.interactions import HeldOut, Interactions, Queries
from harness.lists import FloatArray, IntArray, Lists
from harness.progress import Progress, silent
from harness.retriever import Capability, Footprint, Retriever
from harness.spaces import Range, Space
from harness.topk import PAD_ID, PAD_SCORE, TopK, select_top_k
from methods.encoders.serving import history_limit
from methods.encoders.serving_kernel.write import COMPILE_S, number_lists
from methods.encoders.state import load_state, state_arrays
from methods.sparcode.index.building import build_lists
from methods.sparcode.index.lists_file import FILE, PackedFile, open_packed, write_lists
from methods.sparcode.index.neighbours import neighbours_of
from methods.sparcode.index.packed import pack
from methods.sparcode.index.scorer import CodeScorer
from methods.sparcode.model.encoder import Tokens
from methods.sparcode.model.model import SparCodeModel
from methods.sparcode.params import INDEX_PARAMS, SparCodeParams, SparCodeSearch
from methods.sparcode.serving.compiled_encoder import Coded
from methods.sparcode.serving.cost_model import CostModel
from methods.sparcode.serving.device_merger import DeviceMerger
from methods.sparcode.serving.fallback import PopularityFallback
from methods.sparcode.serving.lists_of_codes import CodesInUse
from methods.sparcode.serving.packed_kernel.merge import COMPILE_S as MERGE_COMPILE_S
from methods.sparcode.serving.packed_merge import PackedMerger
from methods.sparcode.serving.rescore import best_of, dot_scores
from methods.sparcode.serving.served_model import ServedModel, codes_of_log
from methods.training import Checkpointing, Trained, histories, seconds_taken_over, train_model

KIND = "sparcode"  # of what is saved
FIT = "sparcode_fit"


class EncodedQueries(NamedTuple):
    """Which posting lists each query adds up.

    ``lists`` int64 (n, L), -1 where a code has no list. ``weights`` float32 (n, L), or None where
    all are 1. ``tokens`` are there where candidates are to be scored again.
    """

    lists: IntArray
    weights: FloatArray | None
    tokens: Tokens | None


class SparCode(Retriever):
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
        "density": Range(0.05, 0.5, log=True),
    }
    capabilities: ClassVar[frozenset[Capability]] = frozenset(
        {
            Capability.SCORE,
            Capability.ENCODE,
            Capability.SAVE,
            Capability.COUNTERS,
            Capability.VALIDATION,
            Capability.REFIT,
            Capability.SAVE_FIT,
        }
    )
    index_params: frozenset[str] = INDEX_PARAMS
    devices: ClassVar[tuple[str, ...]] = ("cpu", "cuda")
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

    def fit(self, train: Interactions, validation: HeldOut | None = None) -> None:
        """Train until the validation score of the quantised model no longer rises."""
        self._train(train, validation)

    def refit(self, train: Interactions) -> None:
        """Train from the start on all events for the number of epochs that `fit` found best."""
        self._train(train, None, stop_after=self._epochs)

    def _train(
        self, train: Interactions, validation: HeldOut | None, *, stop_after: int | None = None
    ) -> None:
        params = self.build_params
        torch.manual_seed(self.seed)
        self._log = train
        self._model = SparCodeModel(train, params.model, self.device)
        phase = "fit" if stop_after is None else "refit"
        checkpoints = Checkpointing.of_phase(self.checkpoint_folder, phase)
        trained = train_model(
            self._model,
            train,
            validation,
            params,
            self.seed,
            self.progress,
            stop_after,
            checkpoints,
        )
        self._epochs = trained.epochs
        if stop_after is None:
            self._trainings: dict[str, Trained] = {}
        self._trainings[phase] = trained

    def build(self) -> None:
        """Make a posting list for each code that a training query uses."""
        log, params = self._log, self.build_params
        self._ordered = log.ordered
        self._restarts, self._item_width = int(self._model.restarts), self._model.items.width
        self._served = ServedModel.of(self._model, log.query_schema, self.device)
        self.mark("item_vectors")
        starts = self._served.encoder.starts.cpu().numpy()
        coded = codes_of_log(self._served, log, params.max_history)
        self._used = self._with_neighbours(CodesInUse.of(coded, starts))
        self.mark("code_assignment")
        scorer: CodeScorer = self._served.scorer_of(self._used.codes)
        if self._model.stored:
            scorer = self._model.stored.only(scorer, self._used.codes)
        postings = build_lists(
            scorer,
            params.cut,
            params.memory_budget_mb,
            lambda done, total: self.progress("postings", done, total),
            self.mark,
        )
        counts = np.bincount(log.item_ids, minlength=log.n_items)
        encoder = self._served.encoder
        weighted = encoder.tokenizer.n_tokens * params.n_nearest if params.n_nearest > 1 else 0
        self._fallback = PopularityFallback.of_log(log)
        packed = pack(postings, counts, encoder.n_tokens, rounded_lists=weighted)
        self._serve(PackedFile(packed, None, None))
        self.mark("index_build")

    def _with_neighbours(self, used: CodesInUse) -> CodesInUse:
        """Return the codes in use and, of codebooks with parts, those near them.

        Of a model that has final lists also the codes that have one.
        """
        if self._model.stored:
            return used.with_others(np.setdiff1d(self._model.stored.codes, used.codes))
        params, quantizer = self.build_params, self._served.encoder.quantizer
        own = used.codes[used.codes < quantizer.n_books * quantizer.n_codes]
        books = quantizer.codebooks.detach().cpu().numpy()
        return used.with_others(
            neighbours_of(
                own,
                params.n_codewords,
                params.n_parts,
                books,
                params.neighbours,
                params.memory_budget_mb,
            )
        )

    def _serve(self, file: PackedFile) -> None:
        """Make the lists ready to be merged on the device, and start counting work."""
        n_items = self._served.n_items
        self._packed, self._costs, self._unread = file
        self._list_of = self._used.numbers()
        self._merger: Any
        if self.device == "cpu":
            known = CostModel.of_facts(self._costs)
            self._merger = PackedMerger(self._packed, n_items, costs=known, unread=self._unread)
            self._costs = self._merger.costs.facts()
        else:
            self._verify()  # they are copied whole
            self._merger = DeviceMerger(self._packed, n_items, self.device)
        self._work = dict.fromkeys(
            ("postings", "candidates", "codes_without_list", "rescored", "filled"), 0
        )

    def _verify(self) -> None:
        """Check what has not been read of a large file of lists."""
        if self._unread is not None:
            self._unread.verify()

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
        again = coded.tokens if self.search_params.rescore != "none" else None
        self.mark("encode")
        one_each = self.build_params.n_nearest == 1
        return EncodedQueries(lists, None if one_each else coded.weights, again)

    def search_encoded(self, encoded: EncodedQueries, hidden: Lists, k: int) -> TopK:
        """Add up the lists of each query; score the best again, and fill up, where asked to."""
        params = self.search_params
        n_wanted = k
        if params.rescore != "none":
            n_wanted = min(max(k, params.candidates), self._served.n_items)
        found = self._merge(encoded, hidden, n_wanted)
        if encoded.tokens is not None:
            found = self._again(encoded.tokens, found, k)
        if params.fallback == "none":
            return found
        self._work["filled"] += int((found.ids == PAD_ID).sum())
        filled = self._fallback.fill(found, hidden)
        self.mark("top_k")
        return filled

    def _merge(self, encoded: EncodedQueries, hidden: Lists, k: int) -> TopK:
        cut = self.search_params.cut or None
        asked = (encoded.lists, encoded.weights, hidden, k)
        if self.device == "cpu":
            ids, scores, n_postings, n_candidates = self._merger.merge(*asked, cut=cut)
            found = TopK(ids, scores)
            self.mark("scoring")
        else:
            found, n_postings, n_candidates = self._merger.merge(*asked, self.mark, cut=cut)
        self._work["postings"] += n_postings
        self._work["candidates"] += n_candidates
        return found

    def _again(self, tokens: Tokens, found: TopK, k: int) -> TopK:
        """Return the best of the candidates by their unquantised score."""
        self._work["rescored"] += int(np.count_nonzero(found.ids != PAD_ID))
        if self.search_params.rescore == "dot":
            vectors = self._served.dot_vectors(tokens)
            scores = dot_scores(vectors, self._served.dot_items, found.ids)
        else:
            ids = torch.from_numpy(found.ids).to(self._served.bias.device)
            scores = self._served.full_scores(tokens, ids).cpu().numpy()
        best = best_of(found.ids, scores, k)
        self.mark("scoring")
        return best

    def score(self, queries: Queries, item_ids: IntArray) -> FloatArray:
        """Return the trained score that the setting stands for, float32 (n, n_item_ids).

        Of ``served`` and ``quantised`` it is y(q, i) of the codes, before lists are cut and packed;
        where it is 0 the item has -inf, or the fallback's score. Where candidates are scored again
        it is the score that they then get.
        """
        coded, params = self._coded(queries), self.search_params
        self.mark("encode")
        if params.rescore == "dot":
            vectors = self._served.dot_vectors(coded.tokens)
            return np.asarray(vectors @ self._served.dot_items[item_ids].T)
        if params.scoring == "unquantised" or params.rescore == "full":
            return self._served.unquantised_scores(coded)[:, item_ids]
        scores = self._served.quantised_scores(coded)[:, item_ids]
        if params.fallback == "none":
            return np.where(scores > 0, scores, np.float32(PAD_SCORE))
        return np.where(scores > 0, scores, self._fallback.scores[item_ids])

    def save_fit(self, folder: Path) -> None:
        """Write the weights of the model and how they were trained."""
        facts = {"epochs": self._epochs, "history": histories(self._trainings)}
        save_arrays(folder, FIT, state_arrays(self._model, "model"), facts)

    def load_fit(self, folder: Path, train: Interactions) -> None:
        """Make the model for a training log, and give it the weights."""
        arrays, facts = load_arrays(folder, FIT)
        self._log = train
        self._model = SparCodeModel(train, self.build_params.model, self.device)
        load_state(self._model, "model", arrays, self.device)
        self._epochs = int(facts["epochs"])
        self._trainings = Trained.of_histories(facts["history"])

    def save(self, folder: Path) -> None:
        """Write the lists into a file that is opened in place, and all that encodes and scores."""
        arrays: dict[str, Array] = {
            "used": self._used.codes,
            "uses": self._used.uses,
            "fallback": self._fallback.scores,
            **self._served.arrays(),
        }
        facts = {
            "ordered": self._ordered,
            "epochs": self._epochs,
            "restarts": self._restarts,
            "item_width": self._item_width,
            "history": histories(self._trainings),
            "served": self._served.facts(self._item_width),
        }
        save_arrays(folder, KIND, arrays, facts)
        self._verify()  # what was altered must not be written with a checksum that fits
        write_lists(folder / FILE, self._packed, self._costs)

    def load(self, folder: Path) -> None:
        """Become what `save` wrote; neither model nor training log is needed to serve."""
        arrays, facts = load_arrays(folder, KIND)
        self._ordered, self._epochs = bool(facts["ordered"]), int(facts["epochs"])
        self._restarts, self._item_width = int(facts["restarts"]), int(facts["item_width"])
        self._trainings = Trained.of_histories(facts["history"])
        self._served = ServedModel.of_arrays(
            arrays, facts["served"], self.build_params.model, self.device
        )
        starts = self._served.encoder.starts.cpu().numpy()
        self._used = CodesInUse(arrays["used"], arrays["uses"], starts)
        self._fallback = PopularityFallback(arrays["fallback"])
        self._serve(open_packed(folder / FILE))

    def counters(self) -> Mapping[str, int]:
        """Return the work of searches.

        Postings read, items touched, codes without a list, candidates scored again, pads filled.
        """
        return dict(self._work)

    def footprint(self) -> Footprint:
        """Return the bytes that the setting may touch; and the health of the codes."""
        lengths = self._packed.lengths
        postings, n_items = int(lengths.sum()), self._served.n_items
        return Footprint(
            self._bytes_touched(),
            {
                "epochs": self._epochs,
                "tokens": self._served.encoder.n_tokens,
                "codes_in_use": int(np.count_nonzero(self._used.uses)),
                "code_perplexity": self._used.perplexity,
                "lists": lengths.size,
                "postings": postings,
                "mean_list": float(lengths.mean()) if lengths.size else 0.0,
                "longest_list": int(lengths.max(initial=0)),
                "density": postings / max(1, lengths.size * n_items),
                "lists_bytes": self._packed.nbytes,
                "bytes_a_posting": self._packed.entries.nbytes / max(1, postings),
                "lists_bytes_an_item": self._packed.nbytes / n_items,
                "impact_bits": self._packed.impact_bits,
                "bias": float(self._served.bias.mean()),
                "restarts": self._restarts,
                "encode_compile_s": COMPILE_S if self.device == "cpu" else 0.0,
                "merge_compile_s": MERGE_COMPILE_S if self.device == "cpu" else 0.0,
            },
            histories(self._trainings),
            seconds_taken_over(self._trainings),
        )

    def _bytes_touched(self) -> int:
        """Return the bytes that the present setting may touch, and of what scores exhaustively.

        The latter stays in memory whatever the setting; of the lists alone see ``lists_bytes``.
        """
        params = self.search_params
        total = self._served.encoder_bytes + self._served.scorer_bytes
        if params.scoring == "served":
            total += self._list_of.nbytes + self._placed_bytes()
        if params.fallback != "none":
            total += self._fallback.nbytes
        return total

    def _placed_bytes(self) -> int:
        """Return the bytes of the lists where they are merged, and of what a query adds up in."""
        if self.device == "cpu":
            return self._packed.nbytes + self._served.n_items * np.uint16().nbytes
        return int(self._merger.nbytes)

    def _coded(self, queries: Queries) -> Coded:
        limit = history_limit(self._ordered, self.build_params.max_history)
        return self._served.encode(queries.history, queries.fields, limit)
