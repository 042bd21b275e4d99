"""The noise floor: how far two measurements of the same work lie apart, nothing changed between.

A/A pairs are what tells noise from change: the spread within one pass knows nothing of what
differs between processes (memory layout, where threads landed, what else the machine did).
"""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy import special

from harness.compare.libraries import differing
from harness.noise_floor import NoiseFloor, PointNoise, Spread
from harness.record import Record, Status
from harness.stats import FloatValues

SHOWN = ("qps", "max_qps", "latency_p50_s", "latency_p99_s")  # with a ± in tables
MEASURED = ("qps", "max_qps", "latency_p50_s", "latency_p99_s", "fit_s", "build_s")
SHORTEST_S = 1e-3  # a fit or build shorter than this did nothing: its ratio is the clock's
LEVEL = 0.95
MAX_NOISE = 0.10  # half-width above which a rate says little: its row is marked
# What a machine is known by; other facts (load, free memory) change from hour to hour.
IDENTITY = ("cpu", "cores", "logical_cpus", "memory_bytes", "system", "gpu", "cuda", "driver")


def identity(record: Record) -> Mapping[str, Any]:
    """Return what a record tells of its machine, by the names of `IDENTITY`.

    The driver of a GPU stands among what was read before the timed pass.
    """
    known = {name: record.machine[name] for name in IDENTITY if name in record.machine}
    gpu = (record.isolation.get("before") or {}).get("gpu") or {}
    return known | ({"driver": gpu["driver"]} if gpu.get("driver") else {})


def aa_spread(first: FloatValues, second: FloatValues) -> Spread:
    """Return the spread of pairs (a_i, b_i) of measurements of the same work.

    With r_i = log(b_i / a_i), sigma_AA is the standard deviation of r. Its mean is known to be
    zero, as nothing differs within a pair, so sigma_AA^2 is estimated by the mean of r_i^2 with n
    degrees of freedom, and n s^2 / sigma_AA^2 follows chi-square where r is normal: that gives
    the 95 % interval. Pairs share no measurement. A drift raises sigma and moves the median
    ratio away from 1.

    Parameters
    ----------
    first, second : the earlier and the later measurement of each pair, above 0, (n,).

    Raises
    ------
    ValueError
        Fewer than 2 pairs, different lengths, or a measurement that is not finite and above 0.
    """
    a, b = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if a.shape != b.shape or a.ndim != 1:
        raise ValueError(f"pairs have shapes {a.shape} and {b.shape}; expected (n,) twice")
    if a.size < 2:
        raise ValueError(f"{a.size} pairs; a spread needs at least 2")
    both = np.concatenate((a, b))
    if not (np.isfinite(both) & (both > 0)).all():
        raise ValueError(f"measurements must be finite and above 0, got {both.tolist()}")
    ratios = np.log(b / a)
    n, tail = a.size, (1 - LEVEL) / 2
    sigma = math.sqrt(float(np.mean(ratios**2)))
    return Spread(
        n_pairs=n,
        sigma=sigma,
        low=sigma * math.sqrt(n / float(special.chdtri(n, tail))),
        high=sigma * math.sqrt(n / float(special.chdtri(n, 1 - tail))),
        median_ratio=math.exp(float(np.median(ratios))),
        min_ratio=math.exp(float(ratios.min())),
        max_ratio=math.exp(float(ratios.max())),
    )


def half_width(spread: Spread) -> float:
    """Return the relative half-width of the 95 % interval of a single measurement, 0.03 for 3 %.

    log(b / a) holds the noise of two measurements, so one has sigma_AA / sqrt(2). As sigma is
    estimated from n pairs, the factor is Student's t with n degrees of freedom: 2.57 for 5 pairs,
    1.96 for very many.
    """
    factor = float(special.stdtrit(spread.n_pairs, (1 + LEVEL) / 2))
    return math.expm1(factor * spread.sigma / math.sqrt(2))


def noise_floor(records: Sequence[Record], n_pairs: int) -> NoiseFloor:
    """Return the floor that records of repeats 0 .. 2 ``n_pairs`` - 1 of some trials give.

    Repeats 2 i and 2 i + 1 are pair i. A pair with a half that is missing or not valid is left
    out, and the point says why.
    """
    groups: dict[str, list[Record]] = {}
    for record in records:
        groups.setdefault(f"{record.case} {point_key(record)}", []).append(record)
    last = max(records, key=lambda one: one.started_at)
    machine: dict[str, Any] = {}
    for record in records:
        machine |= record.machine  # the GPU stands in the records of its own trials only
        machine |= identity(record)
    return NoiseFloor(
        suite=last.suite,
        n_pairs=n_pairs,
        measured_at=last.started_at,
        machine=machine,
        environment=last.environment,
        commit=last.commit,
        code_hash=last.code_hash,
        points=tuple(_point(group, n_pairs) for group in groups.values()),
    )


def point_key(one: Record | PointNoise) -> str:
    """Return what two measurements must share to be of the same noise: all but the seed."""
    values = [
        one.method, one.build, one.search, one.load, one.data_hash,
        one.device, one.threads, one.fit_threads, one.profile,
    ]  # fmt: skip
    return json.dumps(values, sort_keys=True)


def refusals(record: Record, floor: NoiseFloor) -> list[str]:
    """Return why a floor does not hold for a record: another machine, environment or code."""
    reasons = [
        f"other machine ({name} {floor.machine.get(name)!r}, here {value!r})"
        for name, value in identity(record).items()
        if floor.machine.get(name) != value
        and (name != "driver" or name in floor.machine)  # earlier floors do not tell it
    ]
    reasons += [
        f"other environment ({name} {floor.environment.get(name)}, "
        f"here {record.environment.get(name)})"
        for name in differing(floor.environment, record.environment)
    ]
    ours, theirs = (one.code_hash.partition("+")[0] for one in (record, floor))  # no plug-in's
    if theirs != ours:
        reasons.append(f"other code ({theirs}, here {ours})")
    return reasons


def noise_warning(half: float | None) -> str | None:
    """Return what a reader of a rate with this `half_width` should know, None where it is small."""
    if half is None or half <= MAX_NOISE:
        return None
    return f"noisy machine: the A/A spread of the QPS is ±{half:.0%}, above ±{MAX_NOISE:.0%}"


def noise_of(
    records: Sequence[Record], floor: NoiseFloor | None, name: str = "qps"
) -> list[float | None]:
    """Return `half_width` of a field of each record; None where the floor says nothing of it."""
    if floor is None:
        return [None] * len(records)
    known = {point_key(one): one.spreads[name] for one in floor.points if name in one.spreads}
    return [
        half_width(known[key])
        if (key := point_key(record)) in known
        and not (name == "qps" and record.load.get("rate"))  # there it is that of the arrivals
        and not refusals(record, floor)
        else None
        for record in records
    ]


def _point(group: Sequence[Record], n_pairs: int) -> PointNoise:
    first = group[0]
    valid = {one.repeat: one for one in group if one.status == Status.OK}
    pairs = [
        (valid[2 * number], valid[2 * number + 1])
        for number in range(n_pairs)
        if 2 * number in valid and 2 * number + 1 in valid
    ]
    faults = dict.fromkeys(f"{one.status}: {one.reason}" for one in group if one.status != "ok")
    return PointNoise(
        case=first.case,
        method=first.method,
        build=first.build,
        search=first.search,
        load=first.load,
        data_hash=first.data_hash,
        device=first.device,
        threads=first.threads,
        fit_threads=first.fit_threads,
        profile=first.profile,
        n_pairs=len(pairs),
        n_busy=sum(bool(half.isolation.get("busy")) for pair in pairs for half in pair),
        spreads=_spreads(pairs),
        faults=tuple(faults),
    )


def _spreads(pairs: Sequence[tuple[Record, Record]]) -> Mapping[str, Spread]:
    spreads = {}
    for name in MEASURED:
        least = SHORTEST_S if name in ("fit_s", "build_s") else 0.0
        values = [(getattr(a, name), getattr(b, name)) for a, b in pairs]
        known = np.array([one for one in values if all(half and half > least for half in one)])
        if len(known) >= 2:
            spreads[name] = aa_spread(known[:, 0], known[:, 1])
    return spreads
