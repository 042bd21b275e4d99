"""SparCode: a query becomes codes, each code has a posting list, serving adds up a few lists."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch

from harness.arrays import load_arrays, save_arrays
from harness.interactions import HeldOut, Interactions, Queries
from harness.lists import FloatArray, IntArray, Lists
from harness.retriever import Capability, Footprint, Retriever
from harness.topk import PAD_ID, PAD_SCORE, TopK, select_top_k
from methods.batches import serving_history
from methods.sparcode.index.build import build_postings, join
from methods.sparcode.index.postings import Postings
from methods.sparcode.model.model import SparCodeModel
from methods.sparcode.params import SparCodeParams, SparCodeSearch
from methods.sparcode.serving.device_merge import DeviceMerge
from methods.sparcode.serving.encoder import CodeEncoder, codes_of_log
from methods.sparcode.serving.fallback import PopularityFallback
from methods.sparcode.serving.merge import add_rows, merge_lists
from methods.training import (
    Checkpointing,
    Trained,
    histories,
    seconds_taken_over,
    train_model,
)

KIND = "sparcode"  # of what is saved


@dataclass(frozen=True, slots=True)
class EncodedQueries:
    """Which posting lists each query adds up.

    Attributes
    ----------
    lists : int64 (n, K), numbers of lists.
    postings : where they lie: the index, or, when a code had no list there, a copy with it added.
    """

    lists: IntArray
    postings: Postings


class SparCode(Retriever):
    """Score an item by the posting lists of the query's codes: y = sum_k ReLU(s(code_k, i) + b).

    A tokenizer turns history and fields into K tokens, a product quantiser each token into one of
    N^M codes, an interaction scores (code, item). Offline, each code that the training queries use
    gets the list of items with a positive score; a code first seen in a query gets its list then,
    for that call, which is the only time that the interaction runs online, and `counters` says how
    often. Else K lists are added up and no network sees (query, item). Given the codes, the result
    is the top of the trained score, exactly.

    Cost: n_codes * n_items interactions to build; per query K * N * D multiplications for the
    codes, and the length of K lists. On a GPU the lists lie there and are added up by torch, in the
    same order, so that sums are the same; the lists of new codes are copied to it for their call.

    Differs from the paper, as far as that is known: codebooks per token, an inner product beside
    the perceptron, tokens of single fields, the schedule of b, a k-means start.

    References
    ----------
    Su et al., "Beyond Two-tower Matching: Learning Sparse Retrievable Cross-interactions for
    Recommendation", SIGIR 2023.
    """

    BuildParams: ClassVar[type[SparCodeParams]] = SparCodeParams
    SearchParams: ClassVar[type[SparCodeSearch]] = SparCodeSearch
    capabilities: ClassVar[frozenset[Capability]] = frozenset(
        {
            Capability.SCORE,
            Capability.ENCODE,
            Capability.SAVE,
            Capability.COUNTERS,
            Capability.VALIDATION,
            Capability.REFIT,
        }
    )
    devices: ClassVar[tuple[str, ...]] = ("cpu", "cuda")
    search_stages: ClassVar[tuple[str, ...]] = ("encode", "transfer", "scoring", "top_k")
    build_stages: ClassVar[tuple[str, ...]] = (
        "item_vectors",
        "code_assignment",
        "precompute",
        "index_build",
    )

    build_params: SparCodeParams
    search_params: SparCodeSearch

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
        log = self._log
        self._n_items, self._ordered = log.n_items, log.ordered
        self._encoder = CodeEncoder.of(self._model, log.query_schema)
        self._restarts = int(self._model.n_restarts)
        self.mark("item_vectors")
        codes = codes_of_log(self._encoder, log, self.build_params.max_history)
        used, uses = np.unique(codes, return_counts=True)
        self._take_codes(used, uses)
        self.mark("code_assignment")
        self._postings = build_postings(
            self._encoder.sides_of_codes(used),
            lambda done, total: self.progress("postings", done, total),
            self.mark,
        )
        self._fallback = PopularityFallback.of_log(log)
        self._place()
        self.mark("index_build")

    def search(self, queries: Queries, k: int) -> TopK:
        """Return the k best items of each query, as ``search_params.scoring`` says."""
        if self.search_params.scoring == "served":
            return self.search_encoded(self.encode(queries), queries.hidden, k)
        scores = self.score(queries, np.arange(self._n_items))
        self.mark("scoring")
        found = select_top_k(scores, k, queries.hidden)
        self.mark("top_k")
        return found

    def encode(self, queries: Queries) -> EncodedQueries:
        """Return the posting lists of each query's codes."""
        codes = self._encoder.codes(self._tokens_of(queries))
        lists = self._list_of[codes]
        self.mark("encode")
        if lists.min(initial=0) >= 0:
            return EncodedQueries(lists, self._postings)
        known, missing = np.unique(lists[lists >= 0]), np.unique(codes[lists < 0])
        self._work["lists_on_demand"] += missing.size
        fresh = build_postings(self._encoder.sides_of_codes(missing))
        places = np.where(
            lists >= 0,
            np.searchsorted(known, lists),
            known.size + np.searchsorted(missing, codes),
        )
        joined = join(self._postings.take(known), fresh)
        self.mark("scoring")
        return EncodedQueries(places, joined)

    def search_encoded(self, encoded: EncodedQueries, hidden: Lists, k: int) -> TopK:
        """Add up the lists of each query."""
        found, n_postings, n_candidates = self._merge(encoded, hidden, k)
        self._work["postings"] += n_postings
        self._work["candidates"] += n_candidates
        if self.search_params.fallback == "none":
            return found
        self._work["filled"] += int((found.ids == PAD_ID).sum())
        filled = self._fallback.fill(found, hidden)
        self.mark("top_k")
        return filled

    def _merge(self, encoded: EncodedQueries, hidden: Lists, k: int) -> tuple[TopK, int, int]:
        """Return the best of the sums, the postings read and the candidates met."""
        if self.device == "cpu":
            ids, scores, n_postings, n_candidates = merge_lists(
                *encoded.postings, encoded.lists, hidden.indptr, hidden.ids, self._n_items, k
            )
            self.mark("scoring")
            return TopK(ids, scores), n_postings, n_candidates
        merge = self._device_merge
        if encoded.postings is not self._postings:  # lists of new codes among them
            merge = DeviceMerge(encoded.postings, self._n_items, self.device)
        return merge.merge(encoded.lists, hidden, k, self.mark)

    def _place(self) -> None:
        """Copy the lists to the device, unless it is the host."""
        if self.device != "cpu":
            self._device_merge = DeviceMerge(self._postings, self._n_items, self.device)

    def score(self, queries: Queries, item_ids: IntArray) -> FloatArray:
        """Return y(q, i), float32 (n, n_item_ids).

        Where it is 0 the item is never returned and has -inf, or else the fallback's score.
        """
        encoder, tokens = self._encoder, self._tokens_of(queries)
        if self.search_params.scoring == "unquantised":
            self.mark("encode")
            lists = np.arange(tokens.shape[0] * tokens.shape[1]).reshape(tokens.shape[:2])
            sides = encoder.sides_of(tokens.flatten(0, 1), lists.ravel() % tokens.shape[1])
        else:
            used, places = np.unique(encoder.codes(tokens), return_inverse=True)
            self.mark("encode")
            sides, lists = encoder.sides_of_codes(used), places.reshape(tokens.shape[:2])
        rows = sides.scores(0, len(sides.token_hidden))
        scores = add_rows(rows, lists)[:, item_ids]
        if self.search_params.fallback == "none":
            return np.where(scores > 0, scores, np.float32(PAD_SCORE))
        return np.where(scores > 0, scores, self._fallback.scores[item_ids])

    def save(self, folder: Path) -> None:
        """Write the lists, the codes they are of, the fallback, and all that encodes a query."""
        arrays = {
            "used": self._used,
            "uses": self._uses,
            "fallback": self._fallback.scores,
            **{f"postings.{name}": part for name, part in self._postings._asdict().items()},
            **self._encoder.arrays(),
        }
        facts = {
            "n_items": self._n_items,
            "ordered": self._ordered,
            "epochs": self._epochs,
            "restarts": self._restarts,
            "history": histories(self._trainings),
            "encoder": self._encoder.facts(),
        }
        save_arrays(folder, KIND, arrays, facts)

    def load(self, folder: Path) -> None:
        """Become what `save` wrote; neither model nor training log is needed to serve."""
        arrays, facts = load_arrays(folder, KIND)
        self._n_items, self._ordered = int(facts["n_items"]), bool(facts["ordered"])
        self._epochs, self._restarts = int(facts["epochs"]), int(facts["restarts"])
        self._trainings = Trained.of_histories(facts["history"])
        self._encoder = CodeEncoder.of_arrays(
            arrays, facts["encoder"], self.build_params.model, self.device
        )
        self._take_codes(arrays["used"], arrays["uses"])
        self._postings = Postings(*(arrays[f"postings.{name}"] for name in Postings._fields))
        self._fallback = PopularityFallback(arrays["fallback"])
        self._place()

    def counters(self) -> Mapping[str, int]:
        """Return postings read, items touched, lists made on demand, and pads to be filled."""
        return dict(self._work)

    def footprint(self) -> Footprint:
        """Return the bytes of lists, codebooks and encoder; and the health of the codes."""
        lengths, n_tokens = self._postings.lengths, self._encoder.n_tokens
        token = self._used // self._encoder.n_codes
        shares = self._uses / np.bincount(token, self._uses, n_tokens)[token]
        entropy = np.bincount(token, -shares * np.log(shares), n_tokens)
        return Footprint(
            self._bytes_touched(),
            {
                "epochs": self._epochs,
                "tokens": n_tokens,
                "codes_in_use": lengths.size,
                "code_perplexity": float(np.exp(entropy).mean()),
                "postings": int(lengths.sum()),
                "mean_list": float(lengths.mean()),
                "longest_list": int(lengths.max()),
                "density": float(lengths.mean() / self._n_items),
                "bias": float(self._encoder.bias.mean()),
                "restarts": self._restarts,
            },
            histories(self._trainings),
            seconds_taken_over(self._trainings),
        )

    def _bytes_touched(self) -> int:
        """Return the bytes that the present setting may touch.

        What scores a code with every item counts for all: a code first seen in a query needs it.
        """
        total = self._encoder.nbytes
        if self.search_params.scoring == "served":
            total += self._list_of.nbytes
            placed = self._postings if self.device == "cpu" else self._device_merge
            total += placed.nbytes
        if self.search_params.fallback != "none":
            total += self._fallback.nbytes
        return total

    def _take_codes(self, used: IntArray, uses: IntArray) -> None:
        """Give each code in use the number of its list, and start counting work."""
        self._used, self._uses = used, uses
        self._list_of = np.full(self._encoder.n_tokens * self._encoder.n_codes, -1, np.int64)
        self._list_of[used] = np.arange(used.size)
        self._work = {"postings": 0, "candidates": 0, "lists_on_demand": 0, "filled": 0}

    def _tokens_of(self, queries: Queries) -> torch.Tensor:
        history = serving_history(queries, self._ordered, self.build_params.max_history)
        return self._encoder.tokens(history, queries.fields)
