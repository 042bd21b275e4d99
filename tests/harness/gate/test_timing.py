"""Lane 3 whole: two revisions of a small repository, checked out and timed in fresh processes."""

import subprocess

import numpy as np
import pytest

from harness.errors import HarnessError
from harness.gate import revisions, taking_turns, timing
from harness.gate.revisions import git, lock_of, prepare, present
from harness.gate.speed import judge
from harness.gate.timing import Plan, compare_speed
from harness.gate.verdict import Exit, Verdict, exit_of

FAST, SLOW = "STEPS = 2000\n", "STEPS = 3000\n"
BENCHMARKS = """
import harness

class Loop:
    def time_steps(self):
        for _ in range(harness.STEPS):
            pass
"""
PLANTED = """
import time
import harness

now = 0  # ns; a clock that only the benchmark moves, for the wall and for the processor
time.perf_counter_ns = time.process_time_ns = lambda: now

class Loop:
    def time_steps(self):
        global now
        now += 1000 * harness.STEPS
"""
REAL = """
import time

class Wait:
    def time_asleep(self):
        time.sleep(0.004)

    def time_busy(self):
        until = time.perf_counter() + 0.004
        while time.perf_counter() < until:
            pass
"""
PROJECT = '[project]\nname = "x"\nrequires-python = ">=3.11"\ndependencies = ["numpy>=2"]\n'


def commit(root, files):
    """Write files, commit them, return the commit."""
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    who = ["-c", "user.name=t", "-c", "user.email=t@localhost"]
    git(root, "add", "--all")
    git(root, *who, "commit", "--quiet", "--allow-empty", "--message", "a change")
    return git(root, "rev-parse", "HEAD")


@pytest.fixture
def root(tmp_path):
    """Return a repository with a package, a benchmark of it, and a lock."""
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    commit(
        tmp_path,
        {
            ".gitignore": ".gate/\n__pycache__/\n",
            "pyproject.toml": PROJECT,
            "constraints.txt": "# pins\nnumpy==2.4.6\n",
            "harness/__init__.py": FAST,
            "suites/micro/tracked/__init__.py": "",
            "suites/micro/tracked/loops.py": BENCHMARKS,
        },
    )
    return tmp_path


def findings(root, base, head, n_pairs=8):
    plan = Plan(n_pairs=n_pairs, n_aa=2, pattern="")
    return list(compare_speed(prepare(root, base), prepare(root, head), plan, lambda line: None))


@pytest.mark.parametrize(
    ("base", "head", "verdict", "ratio"),
    [(FAST, SLOW, Verdict.REGRESSED, "1.500"), (SLOW, FAST, Verdict.IMPROVED, "0.667")],
)
def test_a_slower_revision_is_found_and_confirmed(root, monkeypatch, base, head, verdict, ratio):
    """Half as many steps again take half as many seconds again: found, and found once more.

    Checkouts, processes and turns are real, the clock in the processes is planted: so the ratio is
    known, and no load of the machine can change the verdict.
    """
    monkeypatch.setattr(taking_turns, "SETUPS", 1)
    name = "harness/__init__.py"
    old = commit(root, {name: base, "suites/micro/tracked/loops.py": PLANTED})
    new = commit(root, {name: head})
    (found,) = findings(root, old, new)
    assert (found.lane, found.benchmark) == (3, "loops.Loop.time_steps")
    assert found.verdict is verdict, found.text
    first, again = found.text.split("; once more: ")
    for text in (first, again):
        assert text.startswith(f"{ratio} times the seconds [{ratio}, {ratio}], p 0.0078")


def test_equal_revisions_are_unchanged(root, monkeypatch):
    """With the planted clock two revisions of the same code have the ratio 1, measured once."""
    monkeypatch.setattr(taking_turns, "SETUPS", 1)
    base = commit(root, {"suites/micro/tracked/loops.py": PLANTED})
    (found,) = findings(root, base, commit(root, {}))
    assert (found.verdict, found.text.split()[0]) == (Verdict.UNCHANGED, "1.000")
    assert "once more" not in found.text


def test_samples_are_of_the_real_clock(root):
    """A call of 4 ms takes 4 ms at least, asleep or busy; asleep, most of it is without a CPU."""
    commit(root, {"suites/micro/tracked/loops.py": REAL})
    with taking_turns.started(prepare(root, "HEAD"), prepare(root, "HEAD")) as timer:
        for name in ("asleep", "busy"):
            assert timer.ask(f"set loops.Wait.time_{name}") == {}
            seconds, waited = timer.ask("take")
            assert seconds >= 0.004
            assert 0 <= waited <= 1
            assert name == "busy" or waited > 0.5


NEEDS_NEW = """
from harness import brand_new

class Use:
    def time_new(self):
        brand_new()
"""


def test_a_benchmark_of_new_code_is_new_and_the_others_are_timed(root, monkeypatch):
    """Base's code lacks what the new module imports, which is nobody's fault."""
    monkeypatch.setattr(taking_turns, "SETUPS", 1)
    base = commit(root, {"suites/micro/tracked/loops.py": PLANTED})
    new = {
        "harness/__init__.py": FAST + "def brand_new(): pass\n",
        "suites/micro/tracked/use.py": NEEDS_NEW,
    }
    found = {one.benchmark: one for one in findings(root, base, commit(root, new))}
    assert found["use.Use.time_new"].verdict is Verdict.NEW
    assert found["loops.Loop.time_steps"].verdict is Verdict.UNCHANGED


def test_a_known_benchmark_that_base_cannot_import_any_more_says_nothing(root, monkeypatch):
    """Its module now asks for new code: inconclusive, with base's error; the others are timed."""
    monkeypatch.setattr(taking_turns, "SETUPS", 1)
    old = NEEDS_NEW.replace("from harness import brand_new", "brand_new = int")
    base = commit(
        root, {"suites/micro/tracked/loops.py": PLANTED, "suites/micro/tracked/use.py": old}
    )
    new = {
        "harness/__init__.py": FAST + "def brand_new(): pass\n",
        "suites/micro/tracked/use.py": NEEDS_NEW,
    }
    found = {one.benchmark: one for one in findings(root, base, commit(root, new))}
    assert found["use.Use.time_new"].verdict is Verdict.INCONCLUSIVE
    assert found["use.Use.time_new"].text.startswith("base: ImportError: cannot import name")
    assert found["loops.Loop.time_steps"].verdict is Verdict.UNCHANGED


def test_a_benchmark_that_head_broke_is_missing_with_the_reason(root, monkeypatch):
    """What base can time and head cannot import is missed by name, and not the harness's fault."""
    monkeypatch.setattr(taking_turns, "SETUPS", 1)
    both = {"suites/micro/tracked/loops.py": PLANTED, "suites/micro/tracked/use.py": NEEDS_NEW}
    base = commit(root, {**both, "harness/__init__.py": FAST + "def brand_new(): pass\n"})
    found = {
        one.benchmark: one
        for one in findings(root, base, commit(root, {"harness/__init__.py": FAST}))
    }
    assert found["use.Use.time_new"].verdict is Verdict.MISSING
    assert "now ImportError: cannot import name 'brand_new'" in found["use.Use.time_new"].text
    assert found["loops.Loop.time_steps"].verdict is Verdict.UNCHANGED


def test_a_process_that_is_gone_is_told(root):
    """It died between two questions: the next one says so, and not that a pipe is broken."""
    here = prepare(root, "HEAD")

    def ask_one_that_is_gone():
        with taking_turns.started(here, here) as timer:
            timer.process.kill()
            timer.process.wait()
            timer.ask("take")

    with pytest.raises(HarnessError, match=f"benchmarks of {here.commit[:12]} cannot run"):
        ask_one_that_is_gone()


def test_benchmarks_that_come_and_go_end_with_4(root):
    """A renamed benchmark is one that is gone and one that is new; nothing is timed."""
    base = git(root, "rev-parse", "HEAD")
    renamed = BENCHMARKS.replace("time_steps", "time_all")
    head = commit(root, {"suites/micro/tracked/loops.py": renamed})
    found = findings(root, base, head)
    assert {(one.benchmark, one.verdict) for one in found} == {
        ("loops.Loop.time_steps", Verdict.MISSING),
        ("loops.Loop.time_all", Verdict.NEW),
    }
    assert exit_of(found) == Exit.OTHER_BENCHMARKS


def test_a_benchmark_that_fails_in_head_is_a_regression(root):
    """The error is told; no time stands for it."""
    base = git(root, "rev-parse", "HEAD")
    head = commit(root, {"harness/__init__.py": "COUNT = 1\n"})
    (found,) = findings(root, base, head, n_pairs=2)
    assert found.verdict is Verdict.REGRESSED
    assert "STEPS" in found.text


def test_checkouts_are_kept_and_guarded(root):
    """The same commit is checked out once; one that was edited is refused; none is said."""
    first = prepare(root, "HEAD")
    assert prepare(root, first.commit) == first
    (first.folder / "harness" / "__init__.py").write_text(SLOW)
    with pytest.raises(HarnessError, match="remove it"):
        prepare(root, "HEAD")
    with pytest.raises(HarnessError, match="nosuch"):
        prepare(root, "nosuch")


def test_what_is_not_committed_is_judged_too(root):
    """Changed tracked files become a commit of their own; the working tree stays as it is."""
    assert present(root) == "HEAD"
    (root / "harness" / "__init__.py").write_text(SLOW)
    git(root, "config", "user.name", "t")
    git(root, "config", "user.email", "t@localhost")
    head = prepare(root, present(root))
    assert (head.folder / "harness" / "__init__.py").read_text() == SLOW
    assert (root / "harness" / "__init__.py").read_text() == SLOW
    assert git(root, "stash", "list") == ""


def test_an_environment_is_made_where_the_lock_is_another(root, monkeypatch):
    """Equal locks share this Python; a pin that moves asks pip, once, for an environment apart."""
    same = prepare(root, "HEAD")
    assert same.python == revisions.sys.executable
    head = commit(root, {"constraints.txt": "# others\nnumpy==2.4.7\n"})
    git(root, "checkout", "--quiet", same.commit)
    assert lock_of(same.folder) == lock_of(root)
    asked, run = [], revisions._run

    def fake(command):
        if command[0] == "git":
            return run(command)
        asked.append(command)
        folder = root / ".gate" / f"env-{lock_of(root / '.gate' / head[:16])[:16]}"
        folder.mkdir(exist_ok=True)
        return ""

    monkeypatch.setattr(revisions, "_run", fake)
    other = prepare(root, head)
    assert other.python != same.python
    assert [one[1:3] for one in asked] == [["-m", "venv"], ["-m", "pip"]]
    assert f"{other.folder}[cpu]" in asked[1]
    assert prepare(root, head) == other
    assert len(asked) == 2


def test_a_lock_is_what_is_installed(root):
    """Comments and the order of pins do not matter; a version and a dependency do."""
    before = lock_of(root)
    (root / "constraints.txt").write_text("numpy==2.4.6\n# other words\n")
    assert lock_of(root) == before
    (root / "pyproject.toml").write_text(PROJECT.replace("numpy>=2", "numpy>=2.1"))
    assert lock_of(root) != before


def test_waiting_does_not_stand_in_a_ratio():
    """Nine rounds of 1 and 1.5 s of work; where most waited, time without a CPU is taken out."""
    quiet = [((1.0, 0.0), (1.5, 0.01))] * 3
    waited = [((4.0, 0.75), (1.5, 0.0)), ((1.0, 0.0), (6.0, 0.75))] * 3
    for rounds in (quiet + waited, quiet[:1] + waited):
        seconds, other = taking_turns._times(rounds)
        assert (seconds, other) == pytest.approx((1.0, 1.5), rel=0.02)


def test_what_stands_is_given_before_a_fault(root, monkeypatch):
    """The second measurement faults: what is gone and what changed were given before, in words."""
    base = commit(root, {"suites/micro/tracked/more.py": BENCHMARKS.replace("Loop", "More")})
    git(root, "rm", "--quiet", "suites/micro/tracked/more.py")
    head = commit(root, {"suites/micro/tracked/other.py": BENCHMARKS.replace("Loop", "Other")})
    slower = judge(np.tile([1.0, 1.2], (10, 1)), np.ones((5, 2)))
    answers = iter([{"loops.Loop.time_steps": slower}])

    def measured(*_):
        try:
            return next(answers)
        except StopIteration:
            raise HarnessError("a process is gone") from None

    monkeypatch.setattr(timing, "measure", measured)
    plan = Plan(n_pairs=10, n_aa=5, pattern="")
    given = []
    found = compare_speed(prepare(root, base), prepare(root, head), plan, lambda line: None)
    with pytest.raises(HarnessError, match="is gone"):
        given.extend(found)
    assert [(one.benchmark, one.verdict) for one in given] == [
        ("more.More.time_steps", Verdict.MISSING),
        ("other.Other.time_steps", Verdict.NEW),
        ("loops.Loop.time_steps", Verdict.INCONCLUSIVE),
    ]
    assert given[-1].text.startswith("regressed, not looked for once more: 1.200 times the seconds")
