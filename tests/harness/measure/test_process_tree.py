"""A process tree holds every process that came of its root, wherever it went, and ends them all."""

import os
import subprocess
import sys
import time
import uuid

import pytest

from harness.measure.process_tree import MARKER, ProcessTree

# A root with a child, a child in a session of its own, an orphan in another, and a child whose
# environment was cleared; it prints the four ids.
FAMILY = """
import os, subprocess, sys, time
sleep = [sys.executable, "-c", "import time; time.sleep(600)"]
pids = [subprocess.Popen(sleep).pid, subprocess.Popen(sleep, start_new_session=True).pid]
reading, writing = os.pipe()
child = os.fork()
if child == 0:
    os.setsid()
    if os.fork() == 0:
        os.write(writing, str(os.getpid()).encode())
        time.sleep(600)
    os._exit(0)
os.waitpid(child, 0)
pids += [int(os.read(reading, 20)), subprocess.Popen(sleep, env={}).pid]
print(*pids, flush=True)
time.sleep(600)
"""
HOLDER = """
import os, sys, time
block = bytearray(b"x") * 200_000_000
for _ in range(3):
    if os.fork() == 0:
        time.sleep(600)
print("ready", flush=True)
time.sleep(600)
"""


@pytest.fixture
def start():
    """Return a function that starts a marked process and gives it and its tree; all end after."""
    started = []

    def begin(code):
        attempt = uuid.uuid4().hex
        environment = {**os.environ, MARKER: attempt}
        command = [sys.executable, "-c", code]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment)
        tree = ProcessTree(process.pid, attempt)
        started.append((process, tree))
        return process, tree

    yield begin
    for process, tree in started:
        tree.kill()
        process.wait()
        process.stdout.close()


def test_all_are_found_and_none_survives(start):
    """Child, child with a session of its own, orphan, child without environment: found and killed.

    The tree that looks for the first time after all were started needs the marker for the orphan.
    """
    process, tree = start(FAMILY)
    pids = [int(word) for word in process.stdout.readline().split()]
    assert tree.living() == sorted([process.pid, *pids])
    assert tree.kill() == []
    assert tree.living() == []
    assert process.wait() == -9


def test_who_was_seen_once_stays_a_member(start):
    """The root dies; its child without environment has neither marker nor parent, and is known."""
    process, tree = start(FAMILY)
    pids = [int(word) for word in process.stdout.readline().split()]
    assert pids[-1] in tree.living()
    process.kill()
    process.wait()
    assert tree.living() == sorted(pids)
    assert tree.kill() == []


def test_others_are_left_alone(start):
    """Another attempt's processes, this one's own and those of the machine are no members."""
    first, tree = start(FAMILY)
    other, _ = start(FAMILY)
    for process in (first, other):
        process.stdout.readline()
    assert os.getpid() not in tree.living()
    assert other.pid not in tree.living()
    tree.kill()
    assert other.poll() is None


def test_memory_shared_by_fork_is_counted_once_by_the_exact_count(start):
    """200 MB seen by four processes: about 200 MB exactly, about 800 MB by the cheap estimate.

    Within 15 %, as each interpreter holds some pages of its own.
    """
    process, tree = start(HOLDER)
    process.stdout.readline()
    deadline = time.monotonic() + 10
    while len(tree.living()) < 4 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert tree.exact_bytes() == pytest.approx(200e6, rel=0.15)
    assert tree.held_bytes() == pytest.approx(800e6, rel=0.15)


def test_one_may_be_spared(start):
    """A worker whose parent is gone kills all but itself."""
    process, tree = start(FAMILY)
    process.stdout.readline()
    assert tree.kill(spare=process.pid) == []
    assert tree.living() == [process.pid]
