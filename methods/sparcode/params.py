"""Parameters of SparCode: of its model and index, and of a search."""

from dataclasses import dataclass
from typing import Literal

from methods.encoders.params import EncoderParams
from methods.interactions.choice import InteractionName
from methods.sparcode.index.cut import CutRules
from methods.sparcode.model.settings import (
    BiasName,
    Codebooks,
    FieldTokens,
    Gradient,
    HeadStart,
    ModelSettings,
    TokenizerName,
)

MOST_CODES = 1 << 20
BOUNDED = ("dot", "mlp")  # interactions whose scores have upper bounds
INDEX_PARAMS = frozenset(
    {"top_per_code", "budget", "max_per_item", "neighbours", "bounds", "memory_budget_mb"}
)


@dataclass(frozen=True, slots=True)
class SparCodeParams(EncoderParams):
    """Model, sparsity and index; the query's encoder and how to train, see `EncoderParams`.

    Attributes
    ----------
    dim : D, length of a token and of every embedding before it.
    hidden : units of the hidden layer of tokenizer and interaction.
    tokenizer : how the history becomes tokens: ``heads`` and ``residual`` of the vector that the
        ``encoder`` makes of it, ``attention`` of the vectors of its items.
    n_heads : tokens that are learned of the history (K); of a residual tokenizer its levels.
    head_start : what a head's projection starts as: the ``identity``, so that the sum over tokens
        starts as the two towers' inner product, or a random ``orthogonal`` matrix of its own. A
        residual tokenizer has no projections.
    field_tokens : ``fields``: a token for each field of the query, heads see the history alone.
        ``pairs``: and a token for each pair of categorical fields with at most 2^16 combinations;
        how many are left out is among the details. ``none``: fields are mixed into
        the heads. ``beside``: they are mixed into the heads, and have tokens.
    interaction : what scores (token, item); see `methods.interactions.choice`.
    n_parts, n_codewords : M and N; a token's code is one of N^M.
    shared_codebooks : one set of codebooks for all tokens, as in the paper, or one each; levels of
        a residual tokenizer have one each.
    n_nearest : codes of a token (J); 1 is the paper's hard assignment.
    temperature : of the weights of several codes, at first, in units of the mean squared distance
        of a token to its nearest code.
    gumbel : scale of Gumbel noise on the choice of codewords in training, in the same units.
    gradient : what a token learns by: ``straight_through`` or ``rotation`` of its codes' gradient,
        or the ``weights`` of several codes alone.
    codebooks : codewords follow ``averages`` of their tokens, or their own ``gradient``.
    decay : of the averages.
    commitment : beta, weight of the commitment loss.
    bias : b of the score. ``learned``: one per group of codes, set by the density when annealing
        starts, then free: lists end up holding half the items or more. ``quantile``: of each code,
        at each moment, what leaves it its share ``density`` of the items, so that lists are that
        long. For queries with fields: with ``field_tokens = "none"``, 4 heads and 8 of 1,024 codes,
        lists of 5 % beat those of a learned b cut to about that length afterwards (NDCG@50 on the
        validation part of planted_log, two seeds: .2245 and .2200 against .2117 and .1941). Not for
        ids alone with an inner product (ml-1m, one seed: .1185 from lists of 10 %; of a learned b
        .1252, cut to 256 postings .1231).
    density : share of (code, item) pairs that are positive; of a learned b only at first, when a
        low one cuts gradients off: 0.5 for 0.25 was worth 4 % of NDCG@50 on the validation part of
        planted_log (three seeds), and more was worth no more.
    warm_up, anneal : epochs before tokens are quantised, and after that until the ReLU is whole.
    finish : last epochs, in which what the lists will not hold scores zero; needs top_per_code,
        max_per_item or budget, and neighbours = 0. Which postings these are is decided when such an
        epoch begins, by the rules below; the lists that are built hold no others.
    unquantised_weight : of the loss of the unquantised score once there are codes.
    towers : whether two towers of their own are trained beside, by the same batches, for
        ``rescore = "towers"``. They take a model's training and memory once more.
    top_per_code : postings of a list, at most; 0 for no limit.
    budget : postings of all lists, at most, the best by score; 0 for no limit.
    max_per_item : lists that an item may be in, its best; 0 for no limit.
    neighbours : near codes of each code in use that get a list too, where codes have parts.
    bounds : whether building leaves out blocks of items that cannot enter a list, by exact upper
        bounds (`methods.sparcode.index.bounds`); of ``dot`` and ``mlp``. The lists are the same, to
        the rounding of scores. It pays where items cluster and lists are short; where it leaves out
        little it is given up.
    memory_budget_mb : megabytes that building the lists may take.
    """

    dim: int = 64
    hidden: int = 64
    tokenizer: TokenizerName = "heads"
    n_heads: int = 2
    head_start: HeadStart = "identity"
    field_tokens: FieldTokens = "fields"
    interaction: InteractionName = "mlp"
    n_parts: int = 1
    n_codewords: int = 256
    shared_codebooks: bool = False
    n_nearest: int = 4
    temperature: float = 1.0
    gumbel: float = 0.0
    gradient: Gradient = "weights"
    codebooks: Codebooks = "gradient"
    decay: float = 0.99
    commitment: float = 0.25
    bias: BiasName = "learned"
    density: float = 0.5
    warm_up: int = 4
    anneal: int = 2
    finish: int = 0
    unquantised_weight: float = 0.5
    towers: bool = False
    top_per_code: int = 0
    budget: int = 0
    max_per_item: int = 0
    neighbours: int = 0
    bounds: bool = False
    memory_budget_mb: float = 2000.0

    def __post_init__(self) -> None:
        zero = ("anneal", "finish", "gumbel", "commitment", "unquantised_weight", "neighbours")
        limits = ("top_per_code", "budget", "max_per_item")
        flags = (
            "bounds",
            "dropout",
            "shared_codebooks",
            "towers",
            "tokenizer",
            "field_tokens",
            "interaction",
            "gradient",
        )
        self.check_positive(*zero, *limits, *flags, "codebooks", "bias", "head_start")
        self.check_encoder(self.dim)
        self.check_scores("sparcode", own=False)
        for name in (*zero, *limits):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} = {getattr(self, name)} must be at least 0")
        if self.dim % self.n_parts:
            raise ValueError(f"dim = {self.dim} must be a multiple of n_parts = {self.n_parts}")
        if self.warm_up + self.anneal + self.finish >= self.epochs:
            raise ValueError(
                f"warm_up = {self.warm_up}, anneal = {self.anneal} and finish = {self.finish} "
                f"must together stay below epochs = {self.epochs}"
            )
        if self.density > 1 or self.decay >= 1:
            raise ValueError(
                f"density = {self.density} must be at most 1, decay = {self.decay} below 1"
            )
        m, is_full = self.n_negatives, self.loss == "full_softmax"
        uniform = {"uniform": m, "uniform_in_batch": m, "mixed": (m + 1) // 2}
        n_uniform = uniform.get(self.negatives, 0)
        if self.bias == "quantile" and not is_full and self.density * n_uniform < 1:
            raise ValueError(
                f"bias = 'quantile' finds density = {self.density} among the {n_uniform} uniform "
                f"ones of n_negatives = {m}, negatives = {self.negatives!r}: their product must be "
                "at least 1"
            )
        if self.bounds and self.interaction not in BOUNDED:
            raise ValueError(
                f"bounds = true needs an interaction of {BOUNDED}, which is {self.interaction!r}"
            )
        self._check_codes()

    def _check_codes(self) -> None:
        n_codes = self.n_codewords**self.n_parts
        if n_codes > MOST_CODES:
            raise ValueError(f"n_codewords^n_parts = {n_codes} exceeds 2^20")
        if self.n_nearest > n_codes:
            raise ValueError(f"n_nearest = {self.n_nearest} exceeds the {n_codes} codes")
        if self.n_nearest == 1 and self.gradient == "weights":
            raise ValueError(
                "gradient = 'weights' needs n_nearest above 1: the weight of one code is constant"
            )
        if self.n_nearest == 1 and self.codebooks == "gradient":
            raise ValueError(
                "codebooks = 'gradient' needs n_nearest above 1: past one code the gradient goes "
                "to the token, and codewords would stay; use 'averages'"
            )
        if self.tokenizer == "attention" and self.encoder != "mean":
            raise ValueError(
                f"tokenizer = 'attention' needs encoder = 'mean', which is {self.encoder!r}: it "
                "weighs the items of a history anew for each token"
            )
        if self.tokenizer == "residual" and self.shared_codebooks:
            raise ValueError(
                "tokenizer = 'residual' needs shared_codebooks = false: each level encodes what is "
                "left over, so that its tokens are far shorter than those of the level before"
            )
        if self.finish and not (self.top_per_code or self.max_per_item or self.budget):
            raise ValueError(
                f"finish = {self.finish} needs top_per_code, max_per_item or budget, which are 0"
            )
        if self.finish and self.neighbours:
            raise ValueError(
                f"finish = {self.finish} needs neighbours = 0, which is {self.neighbours}: codes "
                "that training queries do not use have no list in training"
            )

    @property
    def of_index(self) -> frozenset[str]:
        """Return the names of what only building reads; with ``finish`` training cuts too."""
        return frozenset({"bounds", "memory_budget_mb"}) if self.finish else INDEX_PARAMS

    @property
    def cut(self) -> CutRules:
        """Return what lists keep; 0 is no rule."""
        return CutRules(self.top_per_code or None, self.max_per_item or None, self.budget or None)

    @property
    def model(self) -> ModelSettings:
        """Return what the model takes."""
        own = [one for one in ModelSettings.__slots__ if one not in ("encoder", "finish_from")]
        finish_from = self.epochs - self.finish if self.finish else -1
        given = {name: getattr(self, name) for name in own}
        return ModelSettings(encoder=self, finish_from=finish_from, **given)


@dataclass(frozen=True, slots=True)
class SparCodeSearch:
    """What answers a query.

    Attributes
    ----------
    scoring : ``served``: the inverted index. ``quantised``: the same model's score of every item,
        from the codes. ``unquantised``: the plain sum over the tokens before they became codes.
    rescore : what orders the candidates of the index anew: nothing, the inner ``dot`` product of
        the interaction, the ``full`` unquantised score, or the ``towers`` that were trained beside.
    candidates : R, how many candidates are scored again.
    lists_weight : of the index's own score, which is added to the one that candidates get anew; 0:
        they are ordered by that alone.
    cut : postings read of each list, at most, its best first; 0 for all.
    fallback : what fills a list with fewer than k positive scores: nothing, or popular items.
    """

    scoring: Literal["served", "quantised", "unquantised"] = "served"
    rescore: Literal["none", "dot", "full", "towers"] = "none"
    candidates: int = 300
    lists_weight: float = 0.0
    cut: int = 0
    fallback: Literal["none", "popularity"] = "none"

    def __post_init__(self) -> None:
        if self.candidates < 1 or self.cut < 0:
            raise ValueError(
                f"candidates = {self.candidates} must be at least 1, cut = {self.cut} at least 0"
            )
        if not 0 <= self.lists_weight < float("inf"):
            raise ValueError(f"lists_weight = {self.lists_weight} must be at least 0 and finite")
        if self.lists_weight and self.rescore == "none":
            raise ValueError(
                f"lists_weight = {self.lists_weight} needs a rescore that it is added to"
            )
        if self.rescore != "none" and self.scoring != "served":
            raise ValueError(f"rescore = {self.rescore!r} needs scoring = 'served'")
