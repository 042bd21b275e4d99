"""The guard condemns what is over the limit by an exact count, twice in a row."""

from harness.run.ending import death
from harness.run.memory_guard import EXACT_EVERY_S, LOOK_EVERY_S, MemoryGuard


class Tree:
    """A tree whose two counts are set by the test; says how often the costly one was asked."""

    def __init__(self, held, exact):
        self.held, self.exact, self.n_walks = held, exact, 0

    def held_bytes(self):
        return self.held

    def exact_bytes(self):
        self.n_walks += 1
        return self.exact


class Clock:
    now = 0.0

    def __call__(self):
        self.now += 1.01 * LOOK_EVERY_S
        return self.now


def looks(tree, limit, n):
    guard = MemoryGuard(tree, limit, Clock())
    return [guard.is_exceeded() for _ in range(n)], guard


def test_two_looks_over_the_limit_end_it():
    """One look may fall between fork and exec, when a child has all of its parent's memory."""
    found, guard = looks(Tree(held=120, exact=110), 100, 3)
    assert found == [False, True, True]
    assert guard.held_bytes == 110


def test_shared_pages_do_not_end_it():
    """The estimate of 400 is over, the exact count is not; it is not walked again for a second."""
    tree = Tree(held=400, exact=90)
    found, guard = looks(tree, 100, 18)  # 18 looks take 0.91 s
    assert not any(found)
    assert tree.n_walks == 1
    assert guard.held_bytes == 90
    assert EXACT_EVERY_S == 1.0


def test_a_kernel_that_hides_the_exact_count_leaves_the_estimate():
    """Then the estimate must do: better a limit that is strict than none."""
    assert looks(Tree(held=120, exact=None), 100, 2)[0] == [False, True]


def test_without_a_limit_nothing_is_looked_at():
    """No limit, no look: the guard costs nothing where it is not asked for."""
    found, guard = looks(Tree(held=1 << 60, exact=1 << 60), None, 3)
    assert not any(found)
    assert guard.held_bytes is None


def test_a_kill_by_the_kernel_is_out_of_memory_only_where_its_counter_says_so():
    """SIGKILL alone has many senders; SIGSEGV is no kill, whatever the counter says."""
    assert death(-9, "fit", "(log)", 1).status == "out_of_memory"
    assert "the kernel's OOM killer acted" in death(-9, "fit", "(log)", 1).reason
    assert death(-9, "fit", "(log)", 0).status == "failed"
    assert death(-11, "fit", "(log)", 1).reason == "killed by SIGSEGV during 'fit' (log)"
    assert death(-40, "fit", "(log)", 0).reason == "killed by signal 40 during 'fit' (log)"
