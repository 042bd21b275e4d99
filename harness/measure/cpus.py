"""CPU affinity: which processors a measurement runs on, and that nothing of ours joins it there."""

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from harness.measure.process_tree import MARKER, ProcessTree

_TOPOLOGY = "/sys/devices/system/cpu/cpu{}/topology/thread_siblings_list"


def allowed_cpus() -> tuple[int, ...] | None:
    """Return the CPUs that this thread may run on, ascending; None where there is no affinity."""
    try:
        return tuple(sorted(os.sched_getaffinity(0)))
    except (AttributeError, OSError):
        return None


def choose_cpus(
    allowed: Sequence[int], n_cpus: int, siblings: Mapping[int, Sequence[int]] | None = None
) -> tuple[int, ...]:
    """Return the CPUs for ``n_cpus`` threads: always the same ones of the same ``allowed``.

    One CPU of each core comes before a second one of any, and high numbers come first, since the
    kernel handles interrupts on low ones. All of ``allowed`` where it holds no more.

    Parameters
    ----------
    siblings : CPU -> the CPUs of its core; None reads it from the machine.
    """
    cores = {cpu: _siblings(cpu) for cpu in allowed} if siblings is None else siblings
    taken: list[int] = []
    later: list[int] = []
    for cpu in sorted(allowed, reverse=True):
        shares = set(cores.get(cpu, (cpu,))) & set(taken)
        (later if shares else taken).append(cpu)
    return tuple(sorted([*taken, *later][:n_cpus]))


def pin(cpus: Sequence[int]) -> str | None:
    """Bind every thread of this process and of its children; return why it failed, or None.

    Threads and processes that start later inherit it.
    """
    try:
        tree = ProcessTree(os.getpid(), os.environ.get(MARKER, ""))
        for thread in [one for pid in tree.living() for one in _threads(pid)]:
            with contextlib.suppress(ProcessLookupError):  # it ended meanwhile
                os.sched_setaffinity(thread, cpus)
    except (AttributeError, OSError, ValueError) as error:
        return f"CPU affinity {list(cpus)} could not be set: {error}"
    return None


@contextlib.contextmanager
def kept_away_from(cpus: Sequence[int]) -> Iterator[None]:
    """Keep the threads of this process off ``cpus`` inside, where they have others to run on."""
    before: dict[int, set[int]] = {}
    with contextlib.suppress(AttributeError, OSError):
        before = {thread: os.sched_getaffinity(thread) for thread in _threads(os.getpid())}
    for thread, mine in before.items():
        _move(thread, mine - set(cpus))
    try:
        yield
    finally:
        for thread, mine in before.items():
            _move(thread, mine)


def _move(thread: int, cpus: set[int]) -> None:
    if cpus:
        with contextlib.suppress(OSError):  # the thread has ended, or affinity is not ours to set
            os.sched_setaffinity(thread, cpus)


def _threads(pid: int) -> list[int]:
    try:
        return [int(name) for name in os.listdir(f"/proc/{pid}/task")]  # noqa: PTH208  names alone
    except OSError:  # it has ended
        return []


def _siblings(cpu: int) -> tuple[int, ...]:
    try:
        return parse_cpus(Path(_TOPOLOGY.format(cpu)).read_text())
    except OSError:
        return (cpu,)


def parse_cpus(text: str) -> tuple[int, ...]:
    """Read a list of CPUs as the kernel writes it.

    >>> parse_cpus("0,2-4,7")
    (0, 2, 3, 4, 7)
    """
    cpus: list[int] = []
    for part in text.strip().split(","):
        first, _, last = part.partition("-")
        if first:
            cpus += range(int(first), int(last or first) + 1)
    return tuple(cpus)
