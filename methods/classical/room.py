"""Room: the memory that is left, asked for before work that is quadratic in the items."""

import resource
from collections.abc import Iterator
from pathlib import Path

from harness.errors import MethodError

MEMINFO = Path("/proc/meminfo")
CGROUP = Path("/sys/fs/cgroup")
KEPT_FREE = 0.05  # of what is available: the rest of the method needs some


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
    limit = CGROUP / "memory.max"
    if limit.exists() and (text := limit.read_text().strip()) != "max":
        yield int(text) - int((CGROUP / "memory.current").read_text())
    soft, _ = resource.getrlimit(resource.RLIMIT_DATA)
    if soft != resource.RLIM_INFINITY:
        status = Path("/proc/self/status").read_text().splitlines()
        (held,) = (line.split()[1] for line in status if line.startswith("VmData:"))
        yield soft - int(held) * 1024
