"""Room: the memory that is left, asked for before work that may take more."""

import resource
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from harness.errors import MethodError

MEMINFO = Path("/proc/meminfo")
MEMBERSHIP = Path("/proc/self/cgroup")
CGROUP = Path("/sys/fs/cgroup")
KEPT_FREE = 0.05  # of what is available: the rest of the method needs some


@dataclass(frozen=True, slots=True)
class _Files:
    """What a version of control groups calls its files.

    Attributes
    ----------
    root : folder of the topmost group, below `CGROUP`.
    limit, held : files of one number; ``max`` is no limit.
    cache : line of ``memory.stat`` with the bytes of files that are held until others need them.
    """

    root: str
    limit: str
    held: str
    cache: str

    def room(self, group: PurePosixPath) -> Iterator[int]:
        """Yield what a group may still take, nothing where it is not seen or has no limit."""
        folder = CGROUP / self.root / group
        limit = folder / self.limit
        if limit.exists() and (text := limit.read_text().strip()) != "max":
            held = int((folder / self.held).read_text())
            yield int(text) - max(held - self._reclaimable(folder / "memory.stat"), 0)

    def _reclaimable(self, stat: Path) -> int:
        lines = stat.read_text().splitlines() if stat.exists() else []
        return sum(int(one.split()[1]) for one in lines if one.split()[0] == self.cache)


FILES_1 = _Files("memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
FILES_2 = _Files("", "memory.max", "memory.current", "inactive_file")


def available_bytes() -> int:
    """Return what this process may still take: the least of machine, control group and limit.

    A memory limit that a suite sets is the harness's to watch; a method does not see it.
    """
    return int((1 - KEPT_FREE) * max(0, min(_rooms())))


def require_bytes(needed: int, what: str, advice: str) -> None:
    """Refuse work before it begins.

    Raises
    ------
    MethodError
        ``needed`` exceeds `available_bytes`; says how much is missing and what to try.
    """
    available = available_bytes()
    if needed > available:
        raise MethodError(
            f"{what} takes {needed:,} bytes and {available:,} are available: "
            f"{needed - available:,} bytes are missing; {advice}"
        )


def _rooms() -> Iterator[int]:
    fields = dict(line.split(":", 1) for line in MEMINFO.read_text().splitlines())
    yield int(fields["MemAvailable"].split()[0]) * 1024
    yield from _rooms_of_groups()
    soft, _ = resource.getrlimit(resource.RLIMIT_DATA)
    if soft != resource.RLIM_INFINITY:
        status = Path("/proc/self/status").read_text().splitlines()
        (held,) = (line.split()[1] for line in status if line.startswith("VmData:"))
        yield soft - int(held) * 1024


def _rooms_of_groups() -> Iterator[int]:
    """Yield the room of this process's control group and of every group that holds it."""
    for line in MEMBERSHIP.read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers and "memory" not in controllers.split(","):
            continue
        files = FILES_1 if controllers else FILES_2
        group = PurePosixPath(*(part for part in path.split("/") if part not in ("", "..")))
        for one in (group, *group.parents):
            yield from files.room(one)
