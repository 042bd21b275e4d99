"""RecentPopularity: every user is offered what was interacted with most of late."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import numpy.typing as npt

from harness.errors import MethodError
from harness.interactions import HeldOut, Interactions
from harness.spaces import Range, Space
from methods.classical.popularity import Popularity

DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class RecentPopularityParams:
    """What counts as recent.

    Attributes
    ----------
    decay : ``exponential``: an event of age a weighs 2^(-a / span); ``window``: 1 up to an age of
        less than span, 0 from there on.
    span : half-life or window, in the unit.
    unit : ``days`` before the last event of the log, which needs timestamps; ``events`` after it in
        the same user's history, which needs a log in time order.
    """

    decay: Literal["exponential", "window"] = "exponential"
    span: float = 30.0
    unit: Literal["days", "events"] = "days"

    def __post_init__(self) -> None:
        if not self.span > 0:
            raise ValueError(f"span = {self.span}; expected more than 0")


class RecentPopularity(Popularity):
    """Rank items by their training interactions, recent ones weighing more.

    Time is measured from the last event of the training log, not from the query: all queries get
    the same order, without what is hidden. Items without a recent event follow by id. Cost and
    index are those of `popularity`.

    References
    ----------
    Ji, Sun, Zhang and Li, "A Re-visit of the Popularity Baseline in Recommender Systems", SIGIR
    2020 ("RecentPop" and "DecayPop", which look back from each query's time; here from the last
    event).
    """

    BuildParams: ClassVar[type[RecentPopularityParams]] = RecentPopularityParams
    kind = "recent_popularity"
    TuneSpace: ClassVar[Space] = {
        "decay": ("exponential", "window"),
        "span": Range(1.0, 1000.0, log=True),
    }
    build_params: RecentPopularityParams

    def fit(self, train: Interactions, validation: HeldOut | None = None) -> None:
        """Add up the weights of the events of each item, in float64.

        Raises
        ------
        MethodError
            The log lacks the times or the order that the unit asks for.
        """
        params = self.build_params
        ages = self._ages(train) / params.span
        weights = np.exp2(-ages) if params.decay == "exponential" else (ages < 1).astype(float)
        sums = np.bincount(train.item_ids, weights=weights, minlength=train.n_items)
        self._counts = sums.astype(np.float32)

    def _ages(self, train: Interactions) -> npt.NDArray[np.float64]:
        if self.build_params.unit == "events":
            if not train.ordered:
                raise MethodError(
                    "recent_popularity: unit = 'events' needs each user's events in time order, "
                    "which this data set does not give; try popularity"
                )
            last = train.events.indptr[train.user_ids + 1] - 1
            return (last - np.arange(train.n_events)).astype(np.float64)
        if train.timestamps is None:
            advice = "unit = 'events', for its events are in order" if train.ordered else None
            raise MethodError(
                "recent_popularity: unit = 'days' needs timestamps, which this data set does not "
                f"have; try {advice or 'popularity'}"
            )
        return np.asarray((train.timestamps.max(initial=0) - train.timestamps) / DAY_S)
