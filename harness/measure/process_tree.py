"""Process trees: every process that a trial started, wherever it went, what they hold, their end.

A process group or a session is not enough: a child may leave both, and an orphan has no parent to
be found by. Each attempt puts a marker into the environment of its worker, which every process
started from it inherits; the kernel shows it in ``/proc/<pid>/environ`` for as long as the process
lives. Children of members and processes once seen as members count too. What escapes: a process
that clears its environment and loses its parent between two looks.
"""

import contextlib
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

MARKER = "MATCHBENCH_ATTEMPT"
KILL_WITHIN_S = 5.0
KILL_PAUSE_S = 0.005
_DEAD = (b"Z", b"X")  # a zombie holds nothing and does nothing


@dataclass(frozen=True, slots=True)
class _Facts:
    state: bytes
    parent: int
    started: bytes  # in ticks since boot: tells a process from a later one with its number


class ProcessTree:
    """The processes of one attempt, looked for anew with each call.

    A look lists ``/proc`` and reads two small files of each process that was not there before; the
    processes themselves are not woken.
    """

    def __init__(self, root: int, attempt: str) -> None:
        """Take the process that began it and its value of MARKER; empty: descendants alone."""
        self._sign = f"{MARKER}={attempt}".encode() if attempt else None
        facts = _facts(root)
        self._members = {} if facts is None else {root: facts.started}
        self._foreign: set[int] = set()

    def living(self) -> list[int]:
        """Return the process ids of all members that live now, in ascending order."""
        present = {int(name) for name in os.listdir("/proc") if name.isdigit()}  # noqa: PTH208  names alone
        self._foreign &= present
        alive = []
        for pid, started in list(self._members.items()):
            facts = _facts(pid) if pid in present else None
            if facts is None or facts.started != started:
                del self._members[pid]  # gone, or its number given to another
            elif facts.state not in _DEAD:
                alive.append(pid)
        new = present - self._foreign - self._members.keys()
        while found := [pid for pid in sorted(new) if self._adopts(pid)]:
            alive += found
            new -= set(found)  # their children may be among the rest
        self._foreign |= new
        return sorted(alive)

    def kill(self, spare: int | None = None) -> list[int]:
        """Kill every member but ``spare``, those included that appear meanwhile.

        Returns
        -------
        The processes that still live after KILL_WITHIN_S (hung in the kernel); none as a rule.
        """
        deadline = time.monotonic() + KILL_WITHIN_S
        while alive := [pid for pid in self.living() if pid != spare]:
            if time.monotonic() > deadline:
                return alive
            for pid in alive:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(KILL_PAUSE_S)
        return []

    def held_bytes(self) -> int:
        """Return anonymous, swapped and shared memory of all members, an upper estimate.

        From the kernel's counters, without walking pages. Pages that processes share since a fork
        are counted once for each of them; of shared memory segments the largest holder counts.
        """
        statuses = [_status(pid) for pid in self.living()]
        own = sum(one.get("RssAnon", 0) + one.get("VmSwap", 0) for one in statuses)
        return own + max((one.get("RssShmem", 0) for one in statuses), default=0)

    def exact_bytes(self) -> int | None:
        """Return the same with every shared page counted once; None where the kernel hides it.

        The kernel walks the page tables for it: not to be called while something is timed.
        """
        total = 0
        for pid in self.living():
            try:
                fields = _kilobytes(Path(f"/proc/{pid}/smaps_rollup").read_bytes())
            except ProcessLookupError:
                continue  # it ended meanwhile
            except OSError:
                return None
            if fields and "Pss_Anon" not in fields:
                return None
            names = ("Pss_Anon", "Pss_Shmem", "SwapPss")
            total += sum(fields.get(name, 0) for name in names)
        return total

    def cpu_s(self, spare: int | None = None) -> float:
        """Return processor seconds of all living but ``spare``, with children they awaited."""
        ticks = 0
        for pid in self.living():
            fields = _stat_fields(pid)
            ticks += sum(int(one) for one in fields[11:15]) if fields and pid != spare else 0
        return ticks / os.sysconf("SC_CLK_TCK")

    def _adopts(self, pid: int) -> bool:
        """Return whether a process not known yet lives and belongs here; keep it if so."""
        facts = _facts(pid)
        if facts is None or facts.state in _DEAD:
            return False
        if facts.parent not in self._members and not self._is_marked(pid):
            return False
        self._members[pid] = facts.started
        return True

    def _is_marked(self, pid: int) -> bool:
        return self._sign is not None and self._sign in _environment(pid)


def _facts(pid: int) -> _Facts | None:
    fields = _stat_fields(pid)
    return _Facts(fields[0], int(fields[1]), fields[19]) if fields else None


def _stat_fields(pid: int) -> list[bytes]:
    """Return the fields of ``/proc/<pid>/stat`` from the state on; none when it is gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return []
    return text.rpartition(b")")[2].split()  # the name before may hold anything


def _environment(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:  # gone, or another user's
        return []


def _status(pid: int) -> dict[str, int]:
    try:
        return _kilobytes(Path(f"/proc/{pid}/status").read_bytes())
    except OSError:
        return {}


def _kilobytes(text: bytes) -> dict[str, int]:
    """Return the fields of a /proc file that are given in kB, in bytes."""
    lines = (line.split() for line in text.splitlines())
    return {
        words[0].rstrip(b":").decode(): int(words[1]) * 1024
        for words in lines
        if len(words) == 3 and words[2] == b"kB"
    }
