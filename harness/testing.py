"""RetrieverContract: the pytest class that every method passes, ours or a third party's.

Subclass it, name the method, and run pytest::

    from harness.testing import RetrieverContract

    class TestMine(RetrieverContract):
        retriever_class = MyRetriever
        build_params = MyParams(dim=8)
"""

import copy
import dataclasses
import re
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from harness.errors import HarnessError
from harness.fields import Categorical, Column, Dense, Fields, MultiValued
from harness.interactions import HeldOut, Interactions, Queries
from harness.lists import Lists
from harness.params import parse_params
from harness.retriever import Capability, Footprint, Retriever
from harness.spaces import Range, parse_space
from harness.stages import BUILD_STAGES, SEARCH_STAGES, Mark, no_mark
from harness.topk import PAD_ID, PAD_SCORE, TopK, select_top_k

N_USERS, N_ITEMS, N_EVENTS, DIM = 48, 30, 8, 8
K = 5
RTOL, ATOL = 1e-4, 1e-5  # of scores that come of the same sums in another order
OVERRIDES = {
    Capability.SCORE: ("score",),
    Capability.ENCODE: ("encode", "search_encoded"),
    Capability.SAVE: ("save", "load"),
    Capability.COUNTERS: ("counters",),
    Capability.REFIT: ("refit",),
    Capability.RESIDENT: ("to_device", "search_resident", "to_host"),
    Capability.SAVE_FIT: ("save_fit", "load_fit"),
}


def tiny_log(*, ordered: bool = False) -> Interactions:
    """Return a checkerboard with fields: even users like even items, odd users odd ones.

    The dense fields `vector` of users and items say the same. ``ordered`` says that events stand in
    order, each user's an hour apart; they are the same.
    """
    random = np.random.default_rng(0)
    lists = []
    for user in range(N_USERS):
        liked = np.arange(user % 2, N_ITEMS, 2)
        lists.append(random.permutation(liked)[:N_EVENTS].tolist())
    side = np.arange(N_ITEMS) % 2
    tags = MultiValued(Lists.of([[i % 3] if i % 4 else [] for i in range(N_ITEMS)]), 3)
    users: dict[str, Column] = {
        "group": Categorical(np.arange(N_USERS) % 2, 2),
        "vector": _vectors(N_USERS, random),
    }
    items: dict[str, Column] = {
        "side": Categorical(side, 2),
        "tags": tags,
        "vector": _vectors(N_ITEMS, random),
    }
    return Interactions(
        Lists.of(lists),
        N_ITEMS,
        timestamps=np.tile(np.arange(N_EVENTS) * 3600, N_USERS) if ordered else None,
        ordered=ordered,
        user_fields=Fields(N_USERS, users),
        item_fields=Fields(N_ITEMS, items),
    )


def _vectors(n: int, random: np.random.Generator) -> Dense:
    """Return unit vectors, float32 (n, DIM): even rows lie about one axis, odd rows about another.

    Inner products within a side are above those across.
    """
    values = np.eye(DIM)[np.arange(n) % 2] + 0.1 * random.normal(size=(n, DIM))
    values /= np.linalg.norm(values, axis=1, keepdims=True)
    return Dense(values.astype(np.float32))


def tiny_held_out(train: Interactions) -> HeldOut:
    """Return for each user two liked items that are not in training; seen items are hidden."""
    users = np.arange(N_USERS)
    relevant = []
    for user in users:
        liked = np.arange(user % 2, N_ITEMS, 2)
        relevant.append(np.setdiff1d(liked, train.events.row(int(user)))[:2].tolist())
    hidden = Lists.of([sorted(train.events.row(int(user)).tolist()) for user in users])
    queries = Queries(users, train.events, hidden, train.user_fields)
    return HeldOut(queries, Lists.of(relevant))


def assert_same_up_to_rounding(found: TopK, expected: TopK) -> None:
    """Hold lists to be the same, but for items that rounding may exchange.

    Scores agree place by place. A place has the expected item where its score differs from those of
    both neighbours by more than rounding does; the last place has no neighbour below that is seen,
    so that an item there may be another one of its score.
    """
    np.testing.assert_allclose(found.scores, expected.scores, rtol=RTOL, atol=ATOL)
    scores = expected.scores.astype(np.float64)
    step = 2 * (ATOL + RTOL * np.abs(scores[:, :-1]))
    with np.errstate(invalid="ignore"):  # pads: nothing is between -inf and -inf
        apart = ~(scores[:, :-1] - scores[:, 1:] <= step)
    is_settled = np.ones(scores.shape, np.bool_)
    is_settled[:, :-1] &= apart
    is_settled[:, 1:] &= apart
    is_settled[:, -1] &= expected.ids[:, -1] == PAD_ID
    np.testing.assert_array_equal(
        np.where(is_settled, found.ids, PAD_ID), np.where(is_settled, expected.ids, PAD_ID)
    )


class RetrieverContract:
    """What the harness relies on; see `harness.retriever` for the words of it."""

    retriever_class: ClassVar[type[Retriever]]
    build_params: ClassVar[Any] = None
    device: ClassVar[str] = "cpu"
    learns: ClassVar[bool] = True
    unmarked: ClassVar[frozenset[str]] = frozenset()  # stages that this device does not come to
    ordered: ClassVar[bool] = False  # True where a method takes only a log that has an order
    scores_when_loaded: ClassVar[bool] = True  # False where `score` needs what search does not

    @classmethod
    def make(cls, mark: Mark = no_mark) -> Retriever:
        """Return a fitted and built retriever; ``mark`` hears of the stages of its build."""
        retriever = cls.retriever_class(cls.build_params, device=cls.device, seed=3)
        train = tiny_log(ordered=cls.ordered)
        if Capability.VALIDATION in retriever.capabilities:
            retriever.fit(train, tiny_held_out(train))
        else:
            retriever.fit(train)
        retriever.mark = mark
        retriever.build()
        retriever.mark = no_mark
        return retriever

    @pytest.fixture(scope="class")
    @classmethod
    def retriever(cls) -> Retriever:
        """Share one retriever among the tests that do not change it."""
        return cls.make()

    @pytest.fixture(scope="class")
    @classmethod
    def queries(cls) -> Queries:
        """Return a query per user of the tiny log."""
        return tiny_held_out(tiny_log()).queries

    def test_answers_have_the_right_form(self, retriever: Retriever, queries: Queries) -> None:
        """Ids int64, scores float32, (n, k); falling scores, ties by id; pads at the end."""
        found = retriever.search(queries, K)
        assert found.ids.shape == found.scores.shape == (len(queries), K)
        assert found.ids.dtype == np.int64
        assert found.scores.dtype == np.float32
        assert not np.isnan(found.scores).any()
        assert ((found.ids >= PAD_ID) & (found.ids < N_ITEMS)).all()
        assert ((found.ids == PAD_ID) == (found.scores == PAD_SCORE)).all()
        for ids, scores in zip(found.ids, found.scores, strict=True):
            kept = ids[ids != PAD_ID]
            assert len(set(kept.tolist())) == len(kept)
            keys = list(zip(-scores, np.where(ids == PAD_ID, N_ITEMS, ids), strict=True))
            assert keys == sorted(keys)

    def test_hidden_items_stay_hidden(self, retriever: Retriever, queries: Queries) -> None:
        """No hidden item is returned, also when nearly everything is hidden or asked for."""
        for k in (1, K, N_ITEMS):
            found = retriever.search(queries, k)
            for row, ids in enumerate(found.ids):
                assert not set(ids.tolist()) & set(queries.hidden.row(row).tolist())
        everything = Lists.of([list(range(N_ITEMS))] * len(queries))
        nothing = Queries(queries.user_ids, queries.history, everything, queries.fields)
        assert (retriever.search(nothing, K).ids == PAD_ID).all()

    def test_one_query_or_many_is_the_same(self, retriever: Retriever, queries: Queries) -> None:
        """What a query gets does not depend on its company, to the rounding of scores."""
        together = retriever.search(queries, K + 1)
        for row in range(0, len(queries), 5):
            alone = retriever.search(queries.take(np.array([row])), K + 1)
            among = TopK(together.ids[row : row + 1], together.scores[row : row + 1])
            assert_same_up_to_rounding(alone, among)

    def test_no_queries_have_no_answers(self, retriever: Retriever, queries: Queries) -> None:
        """None asked, none answered: (0, k), and no error."""
        found = retriever.search(queries.take(np.array([], np.int64)), K)
        assert found.ids.shape == found.scores.shape == (0, K)

    def test_the_same_seed_gives_the_same_lists(
        self, retriever: Retriever, queries: Queries
    ) -> None:
        """Fitting again with the same seed on the CPU changes nothing."""
        if self.device == "cpu":
            first, second = retriever.search(queries, K), self.make().search(queries, K)
            np.testing.assert_array_equal(first.ids, second.ids)
            np.testing.assert_array_equal(first.scores, second.scores)

    def test_nothing_given_is_changed(self, queries: Queries) -> None:
        """Training log and queries are the same after as before."""
        before_log, before = copy.deepcopy(tiny_log()), copy.deepcopy(queries)
        retriever = self.retriever_class(self.build_params, device=self.device, seed=3)
        log = tiny_log(ordered=self.ordered)
        uses = Capability.VALIDATION in retriever.capabilities
        retriever.fit(log, tiny_held_out(log) if uses else None)
        retriever.build()
        retriever.search(queries, K)
        np.testing.assert_array_equal(log.events.ids, before_log.events.ids)
        np.testing.assert_array_equal(queries.history.ids, before.history.ids)
        np.testing.assert_array_equal(queries.hidden.ids, before.hidden.ids)

    def test_an_unknown_user_without_history_is_served(self, retriever: Retriever) -> None:
        """User -1 with no history gets a list, or pads, and no error."""
        fields = tiny_log().user_fields
        assert fields is not None, "the tiny log has them"
        fields = fields.take(np.array([1]))
        stranger = Queries(np.array([-1]), Lists.empty(1), Lists.empty(1), fields)
        assert retriever.search(stranger, K).ids.shape == (1, K)

    def test_it_learns_the_checkerboard(self, retriever: Retriever, queries: Queries) -> None:
        """Unless `learns` is False it puts liked items first more often than chance does."""
        if self.learns:
            found = retriever.search(queries, K)
            side = queries.user_ids[:, None] % 2
            hits = ((found.ids % 2 == side) & (found.ids != PAD_ID)).mean()
            assert hits > 0.8

    def test_declared_capabilities_are_there(self) -> None:
        """What is declared is overridden, what is overridden is declared."""
        for capability, names in OVERRIDES.items():
            for name in names:
                own = getattr(self.retriever_class, name) is not getattr(Retriever, name)
                assert own == (capability in self.retriever_class.capabilities), name

    def test_what_is_tuned_are_its_parameters(self) -> None:
        """Every name and value of TuneSpace is one that BuildParams takes, the others default."""
        cls = self.retriever_class
        space, faults = parse_space(cls.BuildParams, cls.TuneSpace)
        assert faults == []
        for name, axis in space.items():
            values = (axis.low, axis.high) if isinstance(axis, Range) else axis
            for value in values:
                parse_params(cls.BuildParams, {name: value})

    def test_index_params_are_build_params(self) -> None:
        """What is declared to concern the index alone is a build parameter."""
        names = {one.name for one in dataclasses.fields(self.retriever_class.BuildParams)}
        assert self.retriever_class.index_params <= names

    def test_exact_search_is_the_top_of_the_scores(
        self, retriever: Retriever, queries: Queries
    ) -> None:
        """An exact method returns the k best of its own exhaustive scores, each with its item."""
        if Capability.SCORE not in retriever.capabilities or not retriever.exact:
            return
        scores = retriever.score(queries, np.arange(N_ITEMS))
        assert scores.shape == (len(queries), N_ITEMS)
        assert scores.dtype == np.float32
        best = select_top_k(scores, K, queries.hidden)
        found = retriever.search(queries, K)
        filled = best.ids != PAD_ID
        np.testing.assert_array_equal(filled, found.ids != PAD_ID)
        np.testing.assert_allclose(found.scores[filled], best.scores[filled], rtol=RTOL, atol=ATOL)
        own = np.take_along_axis(scores, np.maximum(found.ids, 0), axis=1)
        np.testing.assert_allclose(found.scores[filled], own[filled], rtol=RTOL, atol=ATOL)

    def test_search_is_encode_and_search_encoded(
        self, retriever: Retriever, queries: Queries
    ) -> None:
        """The two halves of search give what search gives."""
        if Capability.ENCODE in retriever.capabilities:
            halves = retriever.search_encoded(retriever.encode(queries), queries.hidden, K)
            np.testing.assert_array_equal(halves.ids, retriever.search(queries, K).ids)

    def test_searching_on_the_device_gives_the_same(
        self, retriever: Retriever, queries: Queries
    ) -> None:
        """Queries placed, searched and fetched: the answers of search, hidden items left out."""
        if Capability.RESIDENT not in retriever.capabilities or self.device == "cpu":
            return
        for k in (1, K, N_ITEMS):
            for asked in (queries, queries.take(np.array([3]))):
                placed = retriever.to_device(asked)
                fetched = retriever.to_host(retriever.search_resident(placed, k))
                self._same(retriever.search(asked, k), fetched)

    def test_counters_count_up(self, retriever: Retriever, queries: Queries) -> None:
        """Counters are whole numbers that never fall and that a search raises."""
        if Capability.COUNTERS in retriever.capabilities:
            before = dict(retriever.counters())
            retriever.search(queries, K)
            after = retriever.counters()
            assert after.keys() == before.keys()
            assert all(after[name] >= before[name] for name in after)
            assert sum(after.values()) > sum(before.values())

    def test_save_and_load_serve_the_same(
        self, retriever: Retriever, queries: Queries, tmp_path: Path
    ) -> None:
        """A fresh retriever that loads answers exactly as the one that saved."""
        if Capability.SAVE in retriever.capabilities:
            retriever.save(tmp_path)
            loaded = self.retriever_class(self.build_params, device=self.device)
            loaded.load(tmp_path)
            self._same(retriever.search(queries, K), loaded.search(queries, K))

            if Capability.SCORE in retriever.capabilities and self.scores_when_loaded:
                items = np.arange(N_ITEMS)
                first, second = (one.score(queries, items) for one in (retriever, loaded))
                np.testing.assert_array_equal(first, second)
            self._same_account(retriever.footprint(), loaded.footprint())

    def test_a_fit_taken_over_is_the_fit(
        self, retriever: Retriever, queries: Queries, tmp_path: Path
    ) -> None:
        """A retriever that loads what another had fitted builds and answers the same."""
        if Capability.SAVE_FIT not in retriever.capabilities:
            return
        retriever.save_fit(tmp_path)
        loaded = self.retriever_class(self.build_params, device=self.device, seed=3)
        loaded.load_fit(tmp_path, tiny_log(ordered=self.ordered))
        loaded.build()
        self._same(retriever.search(queries, K), loaded.search(queries, K))
        self._same_account(retriever.footprint(), loaded.footprint())

    def test_a_damaged_file_is_refused_by_name(self, retriever: Retriever, tmp_path: Path) -> None:
        """Cut by a byte, or with another last byte: an error of ours that names the file."""
        if Capability.SAVE not in retriever.capabilities:
            return
        retriever.save(tmp_path)
        for path in [one for one in sorted(tmp_path.rglob("*")) if one.is_file()]:
            whole = path.read_bytes()
            for damaged in (whole[:-1], whole[:-1] + bytes([whole[-1] ^ 1])):
                path.write_bytes(damaged)
                with pytest.raises(HarnessError, match=re.escape(path.name)):
                    self.retriever_class(self.build_params, device=self.device).load(tmp_path)
            path.write_bytes(whole)

    def test_a_search_marks_the_stages_declared(
        self, retriever: Retriever, queries: Queries
    ) -> None:
        """All of them, those of `unmarked` aside, for one query as for many; and no other."""
        wanted = set(retriever.search_stages) - self.unmarked
        assert set(retriever.search_stages) <= set(SEARCH_STAGES)
        for asked in (queries, queries.take(np.array([0]))):
            seen: set[str] = set()
            retriever.mark = seen.add
            retriever.search(asked, K)
            retriever.mark = no_mark
            assert seen == wanted

    def test_a_build_marks_the_stages_declared(self) -> None:
        """All of them, and no other."""
        seen: set[str] = set()
        retriever = self.make(seen.add)
        assert seen == set(retriever.build_stages) <= set(BUILD_STAGES)

    def test_footprint_is_an_account(self, retriever: Retriever) -> None:
        """Index bytes are a whole number; details and the history of epochs, numbers by name."""
        footprint = retriever.footprint()
        assert footprint.index_bytes >= 0
        assert all(np.isfinite(float(value)) for value in footprint.details.values())
        epochs = [one for phase in footprint.history.values() for one in phase]
        assert all(np.isfinite(float(value)) for one in epochs for value in one.values())
        assert not footprint.taken_over_s  # nothing was there to be taken over

    def _same_account(self, first: Footprint, second: Footprint) -> None:
        assert first.index_bytes == second.index_bytes
        assert dict(first.details) == dict(second.details)

    def _same(self, first: TopK, second: TopK) -> None:
        np.testing.assert_array_equal(first.ids, second.ids)
        np.testing.assert_array_equal(first.scores, second.scores)
