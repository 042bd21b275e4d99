"""SparCode: a query becomes codes, each code has a posting list, serving adds up a few lists."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import torch

from harness.fields import Fields
from harness.interactions import HeldOut, Interactions, Queries
from harness.lists import FloatArray, IntArray, Lists
from harness.retriever import Capability, Footprint, Retriever
from harness.topk import PAD_ID, PAD_SCORE, TopK, select_top_k
from methods.batches import serving_history
from methods.sparcode.fallback import PopularityFallback
from methods.sparcode.inverted_index import CodeSides, build_postings, join
from methods.sparcode.merge import Postings, add_rows, merge_lists
from methods.sparcode.model import ModelSettings, SparCodeModel
from methods.training import TrainingParams, train_model

ENCODED_AT_ONCE = 1024


@dataclass(frozen=True, slots=True)
class SparCodeParams(TrainingParams):
    """Size and sparsity; and how to train, see `methods.training.TrainingParams`.

    Attributes
    ----------
    dim : D, length of a token and of every embedding before it.
    n_heads : learned tokens of a query; with ``field_tokens``, each of its fields adds one (K_u).
    hidden : units of the hidden layer of tokenizer and interaction.
    n_parts, n_codewords : M and N; a token's code is one of N^M.
    density : share of (token, item) pairs that keep a positive score.
    warm_up, anneal : epochs before tokens are quantised, and after that until the ReLU is whole.
    commitment : beta, weight of the commitment loss.
    decay : of the codebooks' moving averages.
    """

    dim: int = 64
    n_heads: int = 2
    field_tokens: bool = True
    hidden: int = 64
    n_parts: int = 2
    n_codewords: int = 64
    density: float = 0.5
    warm_up: int = 2
    anneal: int = 3
    commitment: float = 1.0
    decay: float = 0.99

    def __post_init__(self) -> None:
        self.check_positive("field_tokens", "anneal")
        if self.dim % self.n_parts:
            raise ValueError(f"dim = {self.dim} must be a multiple of n_parts = {self.n_parts}")
        if self.warm_up < 1 or self.anneal < 0 or self.warm_up + self.anneal >= self.epochs:
            raise ValueError(
                f"warm_up = {self.warm_up} must be at least 1, anneal = {self.anneal} at least 0, "
                f"and together below epochs = {self.epochs}"
            )
        if self.density > 1 or self.decay >= 1:
            raise ValueError(
                f"density = {self.density} must be at most 1, decay = {self.decay} below 1"
            )
        if self.n_codewords**self.n_parts > 1 << 20:
            raise ValueError(f"n_codewords^n_parts = {self.n_codewords**self.n_parts} exceeds 2^20")

    @property
    def model(self) -> ModelSettings:
        """Return what the model takes."""
        return ModelSettings(**{name: getattr(self, name) for name in ModelSettings.__slots__})


@dataclass(frozen=True, slots=True)
class SparCodeSearch:
    """What answers a query.

    Attributes
    ----------
    scoring : ``served``: the inverted index alone. ``quantised``: the same model's score of every
        item, from the codes. ``unquantised``: from the tokens before they became codes.
    fallback : what fills a list with fewer than k positive scores: nothing, or popular items.
    """

    scoring: Literal["served", "quantised", "unquantised"] = "served"
    fallback: Literal["none", "popularity"] = "none"


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
    codes, and the length of K lists. Searching runs on the CPU, also for a model on a GPU.

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
            Capability.COUNTERS,
            Capability.VALIDATION,
            Capability.REFIT,
        }
    )
    devices: ClassVar[tuple[str, ...]] = ("cpu", "cuda")

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
        trained = train_model(
            self._model, train, validation, params, self.seed, self.progress, stop_after
        )
        self._epochs = trained.epochs

    def build(self) -> None:
        """Make a posting list for each code that a training query uses."""
        model, n_codes = self._model, self._n_codes
        self._make_encoder()
        with torch.inference_mode():
            hidden, dot = model.interaction.sides_of_items(model.catalogue())
        self._counts = np.bincount(
            self._codes_in_use(), minlength=model.tokenizer.n_tokens * n_codes
        )
        used = np.flatnonzero(self._counts)
        self._list_of = np.full(self._counts.size, -1, np.int64)
        self._list_of[used] = np.arange(used.size)
        self._item_sides = hidden.cpu().numpy(), dot.cpu().numpy()
        self._sides = self._sides_of_codes(used)
        self._postings = build_postings(
            self._sides, lambda done, total: self.progress("postings", done, total)
        )
        self._fallback = PopularityFallback(self._log)
        self._work = {"postings": 0, "candidates": 0, "lists_on_demand": 0, "filled": 0}

    def search(self, queries: Queries, k: int) -> TopK:
        """Return the k best items of each query, as ``search_params.scoring`` says."""
        if self.search_params.scoring == "served":
            return self.search_encoded(self.encode(queries), queries.hidden, k)
        everything = np.arange(self._log.n_items)
        return select_top_k(self.score(queries, everything), k, queries.hidden)

    def encode(self, queries: Queries) -> EncodedQueries:
        """Return the posting lists of each query's codes."""
        codes = self._codes(self._tokens_of(queries))
        lists = self._list_of[codes]
        if lists.min(initial=0) >= 0:
            return EncodedQueries(lists, self._postings)
        known, missing = np.unique(lists[lists >= 0]), np.unique(codes[lists < 0])
        self._work["lists_on_demand"] += missing.size
        fresh = build_postings(self._sides_of_codes(missing), lambda *_: None)
        places = np.where(
            lists >= 0,
            np.searchsorted(known, lists),
            known.size + np.searchsorted(missing, codes),
        )
        return EncodedQueries(places, join(self._postings.take(known), fresh))

    def search_encoded(self, encoded: EncodedQueries, hidden: Lists, k: int) -> TopK:
        """Add up the lists of each query."""
        ids, scores, n_postings, n_candidates = merge_lists(
            *encoded.postings, encoded.lists, hidden.indptr, hidden.ids, self._log.n_items, k
        )
        self._work["postings"] += n_postings
        self._work["candidates"] += n_candidates
        found = TopK(ids, scores)
        if self.search_params.fallback == "none":
            return found
        self._work["filled"] += int((ids == PAD_ID).sum())
        return self._fallback.fill(found, hidden)

    def score(self, queries: Queries, item_ids: IntArray) -> FloatArray:
        """Return y(q, i), float32 (n, n_item_ids).

        Where it is 0 the item is never returned and has -inf, or else the fallback's score.
        """
        tokens = self._tokens_of(queries)
        if self.search_params.scoring == "unquantised":
            lists = np.arange(tokens.shape[0] * tokens.shape[1]).reshape(tokens.shape[:2])
            sides = self._sides_of(tokens.flatten(0, 1), lists.ravel() % tokens.shape[1])
        else:
            used, places = np.unique(self._codes(tokens), return_inverse=True)
            sides, lists = self._sides_of_codes(used), places.reshape(tokens.shape[:2])
        rows = sides.scores(0, len(sides.token_hidden))
        scores = add_rows(rows, lists)[:, item_ids]
        if self.search_params.fallback == "none":
            return np.where(scores > 0, scores, np.float32(PAD_SCORE))
        return np.where(scores > 0, scores, self._fallback.scores[item_ids])

    def counters(self) -> Mapping[str, int]:
        """Return postings read, items touched, lists made on demand, and pads to be filled."""
        return dict(self._work)

    def footprint(self) -> Footprint:
        """Return the bytes of lists, codebooks and encoder; and the health of the codes."""
        lengths, n_tokens = self._postings.lengths, self._model.tokenizer.n_tokens
        counts = self._counts.reshape(n_tokens, -1)
        shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        entropy = -(shares * np.log(np.where(shares > 0, shares, 1))).sum(axis=1)
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
                "density": float(lengths.mean() / self._log.n_items),
                "bias": float(self._model.bias.detach().mean()),
                "restarts": self._model.n_restarts,
            },
        )

    def _bytes_touched(self) -> int:
        """Return the bytes that the present setting may touch.

        What scores a code with every item counts for all: a code first seen in a query needs it.
        """
        encoder = [*self._tokenizer.parameters(), self._quantizer.codebooks, self._item_table]
        encoder += self._interaction.parameters()
        total = sum(one.numel() * one.element_size() for one in encoder)
        total += sum(one.nbytes for one in self._item_sides)
        if self.search_params.scoring == "served":
            total += self._postings.nbytes + self._list_of.nbytes
        if self.search_params.fallback != "none":
            total += self._fallback.nbytes
        return total

    @property
    def _n_codes(self) -> int:
        return int(self.build_params.n_codewords**self.build_params.n_parts)

    def _make_encoder(self) -> None:
        """Copy what encodes queries and codes, in float64.

        Rounding differs between one query and many, and would now and then send the same query to
        another code, or give a code's list another last bit than its dense scores have. In float64
        that does not happen in practice, at a cost that is not noticed.
        """
        self._tokenizer = copy.deepcopy(self._model.tokenizer).double()
        self._quantizer = copy.deepcopy(self._model.quantizer).double()
        self._quantizer.retire_duplicates()
        self._interaction = copy.deepcopy(self._model.interaction).double()
        self._item_table = self._model.items.history_table().detach().double()

    def _tokens_of(self, queries: Queries) -> torch.Tensor:
        history = serving_history(queries, self._log.ordered, self.build_params.max_history)
        return self._tokens(history, queries.fields)

    def _tokens(self, history: Lists, fields: Fields | None) -> torch.Tensor:
        with torch.inference_mode():
            tokens: torch.Tensor = self._tokenizer(history, fields, self._item_table)
            return tokens

    def _codes(self, tokens: torch.Tensor) -> IntArray:
        """Return the composite code of each token, int64 (n, K)."""
        with torch.inference_mode():
            quantizer = self._quantizer
            codes = quantizer.nearest(quantizer.split(tokens))
            return np.asarray(quantizer.composite(codes).cpu().numpy())

    def _codes_in_use(self) -> IntArray:
        """Return the codes of all training queries, one after another."""
        log, parts = self._log, []
        if log.event_fields is None:  # a query per user
            users, first = np.flatnonzero(log.events.lengths), log.events.indptr
            events = first[users]
        else:  # a query per event: the context is part of it
            users, events = log.user_ids, np.arange(log.n_events)
        for start in range(0, len(users), ENCODED_AT_ONCE):
            rows = slice(start, start + ENCODED_AT_ONCE)
            history = log.events.take(users[rows])
            if log.ordered:
                history = history.tail(self.build_params.max_history)
            tokens = self._tokens(history, log.query_fields(events[rows]))
            parts.append(self._codes(tokens).ravel())
        return np.concatenate(parts)

    def _vectors_of(self, codes: IntArray) -> torch.Tensor:
        """Return the token vectors that composite codes stand for, (n, dim)."""
        quantizer = self._model.quantizer
        token, rest = np.divmod(codes, self._n_codes)
        digits = []
        for _ in range(quantizer.n_parts):
            rest, digit = np.divmod(rest, quantizer.n_codewords)
            digits.append(digit)
        with torch.inference_mode():
            at = torch.from_numpy(token)
            parts = [
                quantizer.codebooks[at, part, torch.from_numpy(digit)]
                for part, digit in enumerate(reversed(digits))
            ]
            return torch.cat(parts, dim=1)

    def _sides_of_codes(self, codes: IntArray) -> CodeSides:
        """Return what the interaction needs to score composite codes with every item."""
        return self._sides_of(self._vectors_of(codes), codes // self._n_codes)

    def _sides_of(self, vectors: torch.Tensor, tokens: IntArray) -> CodeSides:
        """Return what the interaction needs to score vectors (n, dim) of tokens (n,)."""
        with torch.inference_mode():
            hidden, dot = self._interaction.sides_of_tokens(vectors.double())
        return CodeSides(
            hidden.float().cpu().numpy(),
            dot.float().cpu().numpy(),
            *self._item_sides,
            self._model.interaction.weights.detach().cpu().numpy(),
            self._model.bias.detach().cpu().numpy()[tokens],
        )
