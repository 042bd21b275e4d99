"""Metric: a described value. ``parse_metric("recall@50")`` reads one and ``str`` gives it back.

Nothing here computes, so that `list` and `plan` need no compiler: see `harness.metrics.evaluate`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from harness.errors import near

Scope = Literal["query", "run"]
VERSION = 1  # raised when some metric gives another value for the same lists; records hold it


@dataclass(frozen=True, slots=True)
class Definition:
    """What a metric's name stands for, whatever its k."""

    text: str
    source: str
    unit: str = "share"
    direction: Literal["higher", "lower"] = "higher"
    scope: Scope = "query"
    needs_exact: bool = False


_MANNING = "Manning, Raghavan and Schütze, Introduction to Information Retrieval (2008), ch. 8"
_TREC = "trec_eval 9"

DEFINITIONS: Mapping[str, Definition] = MappingProxyType(
    {
        "recall": Definition("relevant items in the top K, divided by |relevant|", _MANNING),
        "recall_capped": Definition(
            "relevant items in the top K, divided by min(K, |relevant|)",
            "Liang et al., WWW 2018, section 4.2",
        ),
        "precision": Definition("relevant items in the top K, divided by K", f"{_TREC}: P"),
        "precision_capped": Definition(
            "relevant items in the top K, divided by min(K, |relevant|)",
            "Liang et al., WWW 2018, section 4.2; recall_capped by its other name",
        ),
        "ndcg": Definition(
            "binary gain over log2(rank + 1), divided by the ideal over min(K, |relevant|)",
            "Järvelin and Kekäläinen, TOIS 20(4), 2002; trec_eval 9: ndcg_cut",
        ),
        "hit_rate": Definition("1 if the top K holds a relevant item, else 0", f"{_TREC}: success"),
        "mrr": Definition(
            "1 / rank of the first relevant item in the top K, else 0",
            "Voorhees, TREC-8, 1999; trec_eval 9: recip_rank of a list cut at K",
        ),
        "map": Definition(
            "precision at the ranks of relevant items in the top K, summed, by |relevant|",
            f"{_TREC}: map_cut",
        ),
        "coverage": Definition(
            "share of the catalogue that is in the top K of any query",
            "Herlocker et al., TOIS 22(1), 2004",
            scope="run",
        ),
        "ann_recall": Definition(
            "agreement with the exact top K of the same model, tie-tolerant",
            "Aumüller, Bernhardsson and Faithfull, Information Systems 87, 2020",
            needs_exact=True,
        ),
    }
)

METRICS: Mapping[str, str] = MappingProxyType({name: one.text for name, one in DEFINITIONS.items()})


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric at a cut.

    Attributes
    ----------
    name : one of `METRICS`.
    k : how many of the best items count, >= 1.
    direction : whether ``higher`` or ``lower`` is better.
    unit : what one is of; "share" lies in 0..1.
    source : the publication or program whose definition this is.
    scope : ``query`` has a value per query, whose mean is reported; ``run`` one value in all.
    needs_exact : True when it compares with the exact list instead of relevant items.
    """

    name: str
    k: int

    def __post_init__(self) -> None:
        if self.name not in DEFINITIONS:
            raise ValueError(f"unknown metric {self.name!r}{near(self.name, DEFINITIONS)}")
        if self.k < 1:
            raise ValueError(f"{self.name}@{self.k}: k must be at least 1")

    def __str__(self) -> str:
        return f"{self.name}@{self.k}"

    @property
    def text(self) -> str:
        """Return the definition in a sentence, for people."""
        return DEFINITIONS[self.name].text

    @property
    def direction(self) -> Literal["higher", "lower"]:
        """Return which way is better."""
        return DEFINITIONS[self.name].direction

    @property
    def unit(self) -> str:
        """Return the unit of a value."""
        return DEFINITIONS[self.name].unit

    @property
    def source(self) -> str:
        """Return where the definition comes from."""
        return DEFINITIONS[self.name].source

    @property
    def scope(self) -> Scope:
        """Return whether there is a value per query or one per run."""
        return DEFINITIONS[self.name].scope

    @property
    def needs_exact(self) -> bool:
        """Return whether the exact list is compared with, not relevant items."""
        return DEFINITIONS[self.name].needs_exact


def parse_metric(text: str) -> Metric:
    """Return the metric that a suite file names.

    Raises
    ------
    ValueError
        Not of the form ``name@k``, an unknown name (near ones are offered), or k below 1.

    >>> str(parse_metric("recall@50")), parse_metric("coverage@10").scope
    ('recall@50', 'run')
    """
    if not isinstance(text, str):
        raise ValueError(f"metric {text!r} must be text such as 'recall@50'")
    name, at, cut = text.partition("@")
    if name not in DEFINITIONS:
        raise ValueError(f"unknown metric {name!r}{near(name, DEFINITIONS)}")
    if not at or re.fullmatch(r"[1-9][0-9]{0,8}", cut) is None:
        raise ValueError(f"metric {text!r}: expected {name}@K with a whole number K >= 1")
    return Metric(name, int(cut))
