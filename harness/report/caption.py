"""The caption of a table: everything a reader must know before comparing its numbers."""

from collections.abc import Mapping, Sequence

from harness.compare.noise import noise_of, refusals
from harness.compare.refusals import cut_of
from harness.compare.scenario import scenario
from harness.noise_floor import NoiseFloor
from harness.record import Record, Status

PROFILES: Mapping[str, str] = {
    "smoke": "a quick look, nothing beyond p95",
    "ci": "each pass lasts 10 s and 1,000 queries at least, nothing beyond p99",
    "publish": "each pass lasts 60 s and 10,000 queries at least, the median of 3 fresh processes",
}


def caption_of(
    records: Sequence[Record], floor: NoiseFloor | None = None, *, best: bool = True
) -> str:
    """Return a few lines: data and protocol, load, noise, threads, machine, libraries, revision.

    ``best`` says that the table marks the best of a column.
    """
    first = records[0]
    queries = dict.fromkeys(str(one.n_queries) for one in records if one.n_queries)
    cpus = dict.fromkeys(f"{one.machine['cpu']} x {one.machine['cores']}" for one in records)
    gpus = dict.fromkeys(str(one.machine["gpu"]) for one in records if "gpu" in one.machine)
    libraries = ", ".join(_libraries(records))
    threads = dict.fromkeys(
        f"{one.threads} searching, {one.fit_threads} fitting" for one in records
    )
    lines = [
        f"{first.suite}: {first.split.replace(',', ', ')}; data {first.data_hash[:12]}",
        f"quality over {' or '.join(queries) or 'no'} test queries, ± the 95 % bootstrap interval",
        *_learned_from(records),
        *_dropped(first),
        *_versions(records),
        *(["* marks the best of a column where its interval clears the second's"] if best else []),
        f"speed: {' and '.join(_loads(records)) or 'not measured'}",
        *_boundaries(records),
        *_profiles(records),
        noise_line(records, floor),
        f"threads: {' or '.join(threads)}",
        f"machine: {', '.join([*(f'{one} cores' for one in cpus), *gpus])}; {libraries}",
        f"commit {', '.join(dict.fromkeys(one.commit[:10] + _dirty(one) for one in records))}",
        *_invalid(records),
    ]
    return "\n".join(lines)


def _learned_from(records: Sequence[Record]) -> list[str]:
    """Return what the methods learned from; which did from less, where not all learned alike."""
    told: dict[str, dict[str, None]] = {}
    for one in records:
        if one.learned_from is not None:
            told.setdefault(one.learned_from, {})[one.case] = None
    if len(told) < 2:
        return [f"learned from: {one}" for one in told]
    fewer = ", ".join(told["training"])
    return [f"learned from: training alone: {fewer}; the others: training and validation"]


def noise_line(records: Sequence[Record], floor: NoiseFloor | None) -> str:
    """Return where the ± of the QPS comes from, or why there is none."""
    timed = [one for one in records if one.qps is not None]
    if not timed:
        return "noise: nothing was timed"
    if floor is None:
        return "no noise floor measured: run `matchbench noise`; QPS carry no ±"
    reasons = dict.fromkeys(reason for one in timed for reason in refusals(one, floor))
    known = sum(noise is not None for noise in noise_of(timed, floor))
    measured = f"noise floor of {floor.measured_at[:10]}"
    if not known:
        return f"{measured} is not used: {'; '.join(reasons) or 'it holds none of these rows'}"
    rest = f"; {len(timed) - known} of {len(timed)} records without: " if known < len(timed) else ""
    if rest:
        rest += "; ".join(reasons) or "not in it"
    return (
        f"QPS, p50, p99 ± 95 % of one measurement, from {floor.n_pairs} A/A pairs in fresh "
        f"processes, not from within a run ({measured}){rest}"
    )


def _libraries(records: Sequence[Record]) -> list[str]:
    """Return each library with every version of it that records name."""
    found: dict[str, dict[str, None]] = {}
    for one in records:
        for name, version in one.environment.items():
            found.setdefault(name, {})[str(version)] = None
    return [f"{name} {' or '.join(versions)}" for name, versions in found.items()]


def _versions(records: Sequence[Record]) -> list[str]:
    """Return the versions of the metrics and the lengths of lists, where there are several."""
    told = {one.metrics_version for one in records if one.metrics_version is not None}
    cuts = {cut for one in records if (cut := cut_of(one.metrics)) is not None}
    named = (("metrics version", told), ("lists of", cuts))
    return [
        f"{name} {' or '.join(map(str, sorted(ones)))}: these do not compare"
        for name, ones in named
        if len(ones) > 1
    ]


def _loads(records: Sequence[Record]) -> list[str]:
    """Return each scenario that was timed, with the queries of its passes, least and most."""
    sent: dict[str, list[int]] = {}
    for one in records:
        if one.n_timed:
            sent.setdefault(scenario(one.load), []).append(one.n_timed)
    texts = []
    for name, counts in sent.items():
        low, high = min(counts), max(counts)
        span = f"{low:,}" if low == high else f"{low:,} to {high:,}"
        texts.append(f"{name} over {span} queries")
    return texts


def _boundaries(records: Sequence[Record]) -> list[str]:
    """Return from where to where is timed, as far as something was."""
    loads = [one.load for one in records if one.n_timed]
    lines = []
    if any(not one.get("resident") for one in loads):
        lines.append("timed from host memory to host memory")
    if any(one.get("resident") for one in loads):
        lines.append("device-resident: queries and answers stay on the device")
    if any(one.get("kind") == "server" for one in loads):
        lines.append("server: latency from the scheduled arrival, queueing included")
    return ["; ".join(lines)] if lines else []


def _profiles(records: Sequence[Record]) -> list[str]:
    names = dict.fromkeys(one.profile for one in records if one.profile)
    return [f"profile {name}: {PROFILES.get(name, 'unknown to this program')}" for name in names]


def _invalid(records: Sequence[Record]) -> list[str]:
    """Return how many records are not valid, and how many ended early, where there are any."""
    n_invalid = sum(one.status == Status.INVALID for one in records)
    n_ended = sum(one.status not in (Status.OK, Status.INVALID) for one in records)
    if not n_invalid + n_ended:
        return []
    return [f"of {len(records)} records {n_invalid} are INVALID, {n_ended} hold no measurement"]


def _dropped(record: Record) -> list[str]:
    left_out = [f"{count} {name}" for name, count in record.dropped.items() if count]
    return [f"left out of the held-out parts: {', '.join(left_out)}"] if left_out else []


def _dirty(record: Record) -> str:
    return "+dirty" if record.commit.endswith("+dirty") else ""
