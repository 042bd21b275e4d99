"""Whether a machine was quiet while something was measured, and stayed what it was.

A row measured on a busy machine is marked, not lost: the reader sees by how much others took part.
A setting that changed meanwhile (threads, affinity, governor, clocks of a GPU) is a fault instead:
the number then belongs to no one machine.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from harness.measure.snapshot import Snapshot, take_snapshot
from harness.measure.threads import verify_threads

# Ours. Above them a row is marked as measured on a busy machine.
MAX_OTHERS_PINNED = 0.1  # CPUs that others used of those the measurement is pinned to
MAX_OTHERS_SHARE = 0.5  # of the machine's other CPUs: they share memory bandwidth, cache and turbo
MAX_WAITED = 0.05  # of the time, that the measuring thread was ready to run and had no CPU
MAX_LOAD_SHARE = 0.5  # of all CPUs, that the 1-minute load average of others would fill
# /proc/stat counts in steps of 0.01 s a CPU; below this the load by others is noise, so not told.
MIN_WATCHED_S = 1.0

SETTINGS = (
    "affinity",
    "governor",
    "gpu",
    "load_average",
    "memory_available_bytes",
    "swap_used_bytes",
)

Take = Callable[[], Snapshot]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a Watch saw.

    Attributes
    ----------
    isolation : for `Record.isolation`; its key ``busy`` says whether the machine was too busy.
    warnings : a line for each way in which others took part.
    faults : a line for each setting that was not as asked for, or did not stay so.
    """

    isolation: Mapping[str, Any] = field(default_factory=dict)
    warnings: Sequence[str] = ()
    faults: Sequence[str] = ()


class Watch:
    """Takes a snapshot before and one after what stands in its ``with`` block.

    Nothing runs inside the block, no thread and no timer: what is measured is left alone.
    """

    def __init__(
        self,
        n_threads: int,
        *,
        device: str = "cpu",
        own_load: int | None = None,
        known: Surroundings | None = None,
        take: Take | None = None,
    ) -> None:
        """Set what is expected.

        Parameters
        ----------
        n_threads : that every pool should have.
        device : whose state is read too.
        own_load : runnable threads that this trial itself may have had in the last minute.
        known : facts and warnings of before, which go in front.
        take : returns a snapshot; the default reads this machine.
        """
        self._n_threads = n_threads
        self._own_load = n_threads if own_load is None else own_load
        self._take = take or (lambda: take_snapshot(device))
        self.seen = self._known = known or Surroundings()

    def __enter__(self) -> Self:
        """Take the first snapshot."""
        self._before = self._take()
        return self

    def __exit__(self, *_: object) -> None:
        """Take the second snapshot; `seen` then tells what came of it."""
        found = compare(self._before, self._take(), self._n_threads, self._own_load)
        self.seen = Surroundings(
            {**self._known.isolation, **found.isolation},
            [*self._known.warnings, *found.warnings],
            found.faults,
        )


def compare(before: Snapshot, after: Snapshot, n_threads: int, own_load: int) -> Surroundings:
    """Return what two snapshots say of the time between them."""
    load = load_by_others(before, after)
    warnings = busy_warnings(before, load, own_load)
    _, faults = verify_threads(n_threads, before.pools)
    isolation = {
        "pools": dict(before.pools),
        **load,
        "before": _settings(before),
        "after": _settings(after),
        "busy": bool(warnings),
    }
    return Surroundings(isolation, warnings, [*faults, *environment_changes(before, after)])


def load_by_others(before: Snapshot, after: Snapshot) -> dict[str, Any]:
    """Return how much others used and held up this process between two snapshots.

    Returns
    -------
    ``watched_s`` seconds; ``others_cpu`` and ``others_cpu_pinned``, CPUs that others used, a mean
    over these seconds: of all CPUs (the process that runs the suite is no other), and of those this
    process is pinned to; ``waited`` share of the seconds that the measuring thread had no CPU;
    ``throttled_s``; ``pressure`` share in which some thread of the machine waited;
    ``involuntary_switches`` and ``major_faults`` of this process.
    """
    seconds = after.at_s - before.at_s
    own = after.own_s - before.own_s
    pinned = set(before.affinity or ())
    busy = {cpu: after.busy_s.get(cpu, then) - then for cpu, then in before.busy_s.items()}
    everywhere = sum(busy.values()) - own - (after.harness_s - before.harness_s)
    here = sum(used for cpu, used in busy.items() if cpu in pinned) - own
    is_long = seconds >= MIN_WATCHED_S and bool(busy)
    return {
        "watched_s": seconds,
        "others_cpu": max(everywhere / seconds, 0.0) if is_long else None,
        "others_cpu_pinned": max(here / seconds, 0.0) if is_long and pinned else None,
        "waited": _share(before.waited_s, after.waited_s, seconds),
        "pressure": _share(before.pressure_s, after.pressure_s, seconds),
        "throttled_s": _difference(before.throttled_s, after.throttled_s),
        "involuntary_switches": after.switches - before.switches,
        "major_faults": after.major_faults - before.major_faults,
    }


def busy_warnings(before: Snapshot, load: Mapping[str, Any], own_load: int) -> list[str]:
    """Return a line for each threshold that the load of others passed, with both numbers."""
    warnings = []
    n_cpus = len(before.busy_s)
    n_pinned = len(before.affinity or ())
    pinned, overall, waited = load["others_cpu_pinned"], load["others_cpu"], load["waited"]
    if pinned is not None and pinned > MAX_OTHERS_PINNED:
        warnings.append(f"others used {pinned:.2f} of the {n_pinned} pinned CPUs")
    most = MAX_OTHERS_SHARE * (n_cpus - n_pinned)
    elsewhere = 0.0 if overall is None else overall - (pinned or 0.0)
    if most and elsewhere > most:
        warnings.append(f"others used {elsewhere:.2f} of the {n_cpus - n_pinned} other CPUs")
    if waited is not None and waited > MAX_WAITED:
        warnings.append(f"the measuring thread waited for a CPU {waited:.0%} of the time")
    if load["throttled_s"]:
        warnings.append(f"a CPU quota held the process back for {load['throttled_s']:.2f} s")
    others_load = before.load_average[0] - own_load
    if n_cpus and others_load > MAX_LOAD_SHARE * n_cpus:
        warnings.append(
            f"load average {before.load_average[0]:.2f} on {n_cpus} CPUs, of which {own_load} ours"
        )
    if before.gpu and before.gpu["other_processes"]:
        warnings.append(f"{before.gpu['other_processes']} other processes on the GPU")
    if before.gpu and before.gpu["throttle_reasons"]:
        warnings.append(f"the GPU is throttled: {', '.join(before.gpu['throttle_reasons'])}")
    return [f"busy machine: {one}" for one in warnings]


def environment_changes(before: Snapshot, after: Snapshot) -> list[str]:
    """Return a line for each setting that differs between two snapshots.

    Pools of libraries that were loaded in between are new, and so a change: they were not set.
    """
    changes = [
        f"thread pool {name!r} went from {was} to {now} threads"
        for name in sorted(before.pools.keys() | after.pools.keys())
        if (was := before.pools.get(name)) != (now := after.pools.get(name))
    ]
    if before.affinity != after.affinity:
        changes.append(f"CPU affinity went from {before.affinity} to {after.affinity}")
    if before.governor != after.governor:
        changes.append(f"CPU governor went from {before.governor} to {after.governor}")
    earlier, later = before.gpu or {}, after.gpu or {}
    slowed = later.get("throttle_reasons") or []
    if new := [one for one in slowed if one not in (earlier.get("throttle_reasons") or [])]:
        changes.append(f"the GPU was throttled meanwhile: {', '.join(new)}")
    if (earlier.get("other_processes") or 0) < (later.get("other_processes") or 0):
        changes.append("another process came to the GPU")
    return changes


def _settings(snapshot: Snapshot) -> dict[str, Any]:
    return {name: getattr(snapshot, name) for name in SETTINGS}


def _difference(before: float | None, after: float | None) -> float | None:
    return None if before is None or after is None else after - before


def _share(before: float | None, after: float | None, seconds: float) -> float | None:
    spent = _difference(before, after)
    return None if spent is None or seconds <= 0 else spent / seconds
