"""Checkerboard: even users pick even items and odd users odd ones, the smallest known answer."""

from dataclasses import dataclass

import numpy as np

from harness.data.log import Log
from harness.data.planted import PlantedTruth, draw_log
from harness.seeding import generator


@dataclass(frozen=True, slots=True)
class CheckerboardParams:
    """Size of the board.

    Attributes
    ----------
    n_users, n_items : even numbers of rows and columns.
    events_per_user : distinct items of each user, at most half the items.
    seed : of the draw.
    """

    n_users: int = 100
    n_items: int = 60
    events_per_user: int = 20
    seed: int = 0

    def __post_init__(self) -> None:
        if self.n_users < 2 or self.n_items < 2 or self.n_users % 2 or self.n_items % 2:
            raise ValueError(
                f"n_users = {self.n_users} and n_items = {self.n_items} must be even and positive"
            )
        if not 1 <= self.events_per_user <= self.n_items // 2:
            raise ValueError(
                f"events_per_user = {self.events_per_user} must lie in 1..{self.n_items // 2}, "
                "half the items"
            )


def checkerboard(params: CheckerboardParams) -> Log:
    """Draw the log: user u picks only items with ``item % 2 == u % 2``, uniformly.

    Known answer: every relevant item has the user's parity, so a method that has found the two
    classes returns none of the other; within a class nothing can be learned.
    """
    never = -np.inf
    truth = PlantedTruth(
        popularity=np.full(params.n_items, 1 / params.n_items),
        item_clusters=np.arange(params.n_items, dtype=np.int64) % 2,
        taste=np.array([[0.0, never], [never, 0.0]]),
    )
    clusters = np.arange(params.n_users, dtype=np.int64) % 2
    counts = np.full(params.n_users, params.events_per_user, np.int64)
    return draw_log(truth, clusters, counts, generator(params.seed, "checkerboard"))
