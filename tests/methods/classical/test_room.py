"""Room: what control groups leave is read as they say it, and work that exceeds it is refused."""

import re

import numpy as np
import pytest

from harness.errors import MethodError
from harness.interactions import Interactions
from harness.lists import Lists
from methods.classical import room
from methods.classical.item_knn import ItemKNN, ItemKNNParams
from methods.classical.met import distinct, most_neighbours
from methods.classical.rp3beta import RP3beta, RP3betaParams
from methods.classical.slim import SLIM, SLIMParams
from methods.classical.user_knn import UserKNN

GB = 10**9


@pytest.fixture
def groups(tmp_path, monkeypatch):
    """Return a function that lays groups out and puts this process into one of them."""

    def make(membership, **files):
        for name, text in files.items():
            path = tmp_path / "groups" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        (tmp_path / "self").write_text(membership)
        (tmp_path / "meminfo").write_text("MemTotal: 9000000 kB\nMemAvailable: 8000000 kB\n")
        for name, path in (("CGROUP", "groups"), ("MEMBERSHIP", "self"), ("MEMINFO", "meminfo")):
            monkeypatch.setattr(room, name, tmp_path / path)
        monkeypatch.setattr(room, "KEPT_FREE", 0.0)

    return make


def test_room_is_the_least_of_what_is_left():
    """Never negative, never more than the machine says is available."""
    lines = room.MEMINFO.read_text().splitlines()
    (said,) = (int(line.split()[1]) * 1024 for line in lines if line.startswith("MemTotal"))
    assert 0 <= room.available_bytes() <= said


def test_a_control_group_limits_the_room(groups, monkeypatch):
    """A group of 1,000 bytes that holds 400 leaves 600, of which 95 % may be taken."""
    groups("0::/\n", **{"memory.max": "1000\n", "memory.current": "400\n"})
    assert room.available_bytes() == 600
    monkeypatch.setattr(room, "KEPT_FREE", 0.05)
    assert room.available_bytes() == 570


def test_files_that_others_may_push_out_are_room(groups):
    """A limit of 8 GB, 7 held, 6 of them cached files that are not in use: 7 are left.

    Files in use (``active_file``) are not counted; nor is more than the group holds.
    """
    stat = f"anon {GB}\nfile {6 * GB}\ninactive_file {6 * GB}\nactive_file 5\n"
    given = {"memory.max": f"{8 * GB}", "memory.current": f"{7 * GB}", "memory.stat": stat}
    groups("0::/\n", **given)
    assert room.available_bytes() == 7 * GB
    groups("0::/\n", **given | {"memory.current": f"{5 * GB}"})
    assert room.available_bytes() == 8 * GB


def test_every_group_on_the_way_up_limits(groups):
    """The process is in /a/b, which has no limit; /a leaves 300 bytes, the root more."""
    given = {
        "memory.max": "5000",
        "memory.current": "1000",
        "a/memory.max": "700",
        "a/memory.current": "400",
        "a/b/memory.max": "max",
        "a/b/memory.current": "400",
        "c/memory.max": "1",  # of others
        "c/memory.current": "1",
    }
    groups("0::/a/b\n", **given)
    assert room.available_bytes() == 300
    groups("0::/a/b\n", **given | {"a/b/memory.max": "450"})
    assert room.available_bytes() == 50


@pytest.mark.parametrize("path", ["/elsewhere/not/mounted", "/../../b"])
def test_a_path_that_is_not_seen_from_here_leaves_the_top(groups, path):
    """In a container the group's own folder may be the topmost one, whatever it is called."""
    groups(f"0::{path}\n", **{"memory.max": "1000", "memory.current": "400"})
    assert room.available_bytes() == 600


def test_groups_of_the_first_version_count_too(groups):
    """Memory has a tree of its own there, and other names; other controllers' paths are theirs."""
    groups(
        "9:name=systemd:/x\n4:cpu,memory:/a\n3:cpuset:/y\n0::/\n",
        **{
            "memory/memory.limit_in_bytes": str(2**63 - 4096),
            "memory/memory.usage_in_bytes": "100",
            "memory/a/memory.limit_in_bytes": "1000",
            "memory/a/memory.usage_in_bytes": "400",
            "memory/a/memory.stat": "inactive_file 7\ntotal_inactive_file 50\n",
            "memory/x/memory.limit_in_bytes": "1",
            "memory/x/memory.usage_in_bytes": "1",
        },
    )
    assert room.available_bytes() == 650


def test_the_neighbours_of_all_items_are_counted_at_most(log):
    """Never fewer than are found, and no more than n of each."""
    users = distinct(log.events, log.n_items)
    for n in (1, 5, 100):
        method = ItemKNN(ItemKNNParams(n_neighbours=n))
        method.fit(log)
        assert len(method._similarities) <= most_neighbours(users, log.n_items, n) <= 25 * n


# 3 users of items 0 to 3: each item has at most 9 neighbours, of which 2 are kept
FULL = Interactions(Lists.of([[0, 1, 2, 3]] * 3), 4)


@pytest.mark.parametrize(
    ("method", "needed", "advice"),
    [
        (ItemKNN(ItemKNNParams(n_neighbours=2)), 46 * 8, "try a smaller n_neighbours"),
        (RP3beta(RP3betaParams(n_neighbours=2)), 46 * 8, "try a smaller n_neighbours"),
        (RP3beta(RP3betaParams(n_neighbours=2, cut_twice=True)), 88 * 8, "try a smaller"),
        (SLIM(SLIMParams(top_n=2)), 8 * 8 + 52 * 8 + 12 * 3 + 40 * 4, "try a smaller top_n"),
        (UserKNN(), 68 * 12 + 40 * 7, "try item_knn"),
    ],
    ids=["item_knn", "rp3beta", "rp3beta_cut_twice", "slim", "user_knn"],
)
def test_what_does_not_fit_is_refused_before_it_begins(method, needed, advice, monkeypatch):
    """Needing a byte more than there is, a fit says so; with as much as it needs it goes on."""
    monkeypatch.setattr("numba.get_num_threads", lambda: 1)
    monkeypatch.setattr(room, "available_bytes", lambda: needed - 1)
    message = f"takes {needed:,} bytes and {needed - 1:,} are available: 1 bytes are missing; "
    with pytest.raises(MethodError, match=re.escape(message) + f".*{advice}"):
        method.fit(FULL)
    monkeypatch.setattr(room, "available_bytes", lambda: needed)
    method.fit(FULL)


def test_nothing_needs_nothing():
    """A log without events asks for no neighbours."""
    assert most_neighbours(Lists.of([[], []]), 3, 5) == 0
    method = ItemKNN()
    method.fit(Interactions(Lists.of([[], []]), 3))
    assert np.asarray(method._similarities).size == 0
