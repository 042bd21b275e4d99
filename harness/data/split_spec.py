"""The table ``split = {...}`` of a suite -> a checked description of filters and split."""

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from harness.errors import near
from harness.params import parse_params

Cold = Literal["error", "drop", "keep"]
Part = Literal["validation", "test"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class SplitSpec:
    """What every kind of split has.

    Attributes
    ----------
    min_rating : events rated below it are left out; filters run in the order given here.
    deduplicate : keep only the first of several events of one user and item. None: yes, unless
        events carry a context, which makes repeats count.
    min_user_events, min_item_events : k-core; both are applied in turn until nothing changes.
    hide_seen : items of a query's history may not be returned. None: yes, unless repeats count.
    cold_items : held-out items that no training event shows: refuse, drop, or keep them.
    cold_users : queries whose history is empty: refuse, drop, or keep them.
    fields : ``none`` leaves out what is known of users and items, so that only ids are left.
    select_on : ``test`` hands the test part to methods as their validation part, so that they
        choose by what they are then measured on, and gives them training and validation events to
        learn from. Many published figures were made so, and only suites of known answers may be.
        It stands in the words of a split where it is ``test`` alone.
    """

    kind: ClassVar[str]

    min_rating: float | None = None
    deduplicate: bool | None = None
    min_user_events: int = 0
    min_item_events: int = 0
    hide_seen: bool | None = None
    cold_items: Cold = "error"
    cold_users: Cold = "error"
    fields: Literal["all", "none"] = "all"
    select_on: Part = "validation"

    def __post_init__(self) -> None:
        for name in ("test", "validation", "fold_in"):
            share = getattr(self, name, 0.5)
            if not 0 < share < 1:
                raise ValueError(f"{name} = {share} must lie between 0 and 1")
        if min(self.min_user_events, self.min_item_events) < 0:
            raise ValueError("min_user_events and min_item_events must not be negative")
        if self.deduplicate is False and self.hide_seen:
            raise ValueError(
                "deduplicate = false lets a seen item be right again; hide_seen = true forbids it"
            )

    def resolved(self, *, repeats_count: bool) -> "SplitSpec":
        """Return the same with nothing left open, for a log whose repeats count or not."""
        repeats = repeats_count if self.deduplicate is None else not self.deduplicate
        hide_seen = not repeats if self.hide_seen is None else self.hide_seen
        return dataclasses.replace(self, deduplicate=not repeats, hide_seen=hide_seen)

    def protocol(self) -> str:
        """Return every choice as one line: ``kind(name=value,...)`` in a fixed order."""
        return f"{self.kind}({','.join(f'{name}={value}' for name, value in self.table().items())})"

    def table(self) -> dict[str, Any]:
        """Return every choice by name."""
        values = {one.name: getattr(self, one.name) for one in dataclasses.fields(self)}
        if self.select_on == "validation":  # as it was before there was another
            del values["select_on"]
        return values


@dataclasses.dataclass(frozen=True, kw_only=True)
class Given(SplitSpec):
    """Train and test as the files say; ``validation`` is a share of each user's training events.

    Where the files give a validation part, that is used instead.

    Attributes
    ----------
    validation_by : "random" (by ``seed``), or "last" in time where the log has an order.
    """

    kind: ClassVar[str] = "given"
    validation: float = 0.1
    validation_by: Literal["random", "last"] = "random"
    seed: int = 0


@dataclasses.dataclass(frozen=True, kw_only=True)
class LeaveLastOut(SplitSpec):
    """Each user's last event is test, the last but one validation.

    Users with fewer than three events are for training only, as SASRec has it.
    """

    kind: ClassVar[str] = "leave_last_out"


@dataclasses.dataclass(frozen=True, kw_only=True)
class PerUserTemporal(SplitSpec):
    """Each user's last share of events is test, the last share of what is left validation.

    Shares are rounded half up, and at least one event of each user stays in training.
    """

    kind: ClassVar[str] = "per_user_temporal"
    test: float = 0.2
    validation: float = 0.1


@dataclasses.dataclass(frozen=True, kw_only=True)
class RandomPerUser(SplitSpec):
    """As `PerUserTemporal`, but by lot; for logs without order."""

    kind: ClassVar[str] = "random_per_user"
    test: float = 0.2
    validation: float = 0.1
    seed: int = 0


@dataclasses.dataclass(frozen=True, kw_only=True)
class GlobalTime(SplitSpec):
    """One moment for all: the last share of events is test, then the last share of the rest.

    Events of the same second stay together on the later side.
    """

    kind: ClassVar[str] = "global_time"
    test: float = 0.1
    validation: float = 0.1


@dataclasses.dataclass(frozen=True, kw_only=True)
class HeldOutUsers(SplitSpec):
    """Shares of the users are held out whole, by lot among those with two events or more.

    The first share ``fold_in`` of a held-out user's events is the history of the query, the rest
    the answer; by lot where the log has no order (Liang et al. 2018, "strong generalisation").
    """

    kind: ClassVar[str] = "held_out_users"
    test: float = 0.1
    validation: float = 0.1
    fold_in: float = 0.8
    seed: int = 0

    def __post_init__(self) -> None:
        SplitSpec.__post_init__(self)
        if self.test + self.validation >= 1:
            raise ValueError(f"test = {self.test} and validation = {self.validation} leave no user")


KINDS: Mapping[str, type[SplitSpec]] = {
    one.kind: one
    for one in (Given, LeaveLastOut, PerUserTemporal, RandomPerUser, GlobalTime, HeldOutUsers)
}


def parse_split(table: Mapping[str, Any]) -> SplitSpec:
    """Return the split that a suite's table describes.

    Raises
    ------
    ValueError
        No kind or an unknown one, an unknown name, or a value that makes no sense.
    """
    kind = table.get("kind")
    if kind is None:
        raise ValueError(f"split has no kind{near('', KINDS)}")
    if not isinstance(kind, str) or kind not in KINDS:
        raise ValueError(f"unknown kind of split {kind!r}{near(str(kind), KINDS)}")
    rest = {name: value for name, value in table.items() if name != "kind"}
    try:
        spec: SplitSpec = parse_params(KINDS[kind], rest)
    except ValueError as error:
        raise ValueError(f"split of kind {kind!r}: {error}") from None
    return spec
