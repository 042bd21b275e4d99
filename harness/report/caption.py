"""The caption of a table: everything a reader must know before comparing its numbers."""

from collections.abc import Sequence

from harness.record import Record


def caption_of(records: Sequence[Record]) -> str:
    """Return a few lines: data and protocol, load, threads, machine, libraries, revision."""
    first = records[0]
    loads = dict.fromkeys(_load(one) for one in records if one.load)
    queries = dict.fromkeys(str(one.n_queries) for one in records if one.n_queries)
    cpus = dict.fromkeys(f"{one.machine['cpu']} x {one.machine['cores']}" for one in records)
    gpus = dict.fromkeys(str(one.machine["gpu"]) for one in records if "gpu" in one.machine)
    libraries = ", ".join(f"{name} {version}" for name, version in first.environment.items())
    lines = [
        f"{first.suite}: {first.split}; data {first.data_hash[:12]}",
        f"quality over {' or '.join(queries) or 'no'} test queries, ± the 95 % bootstrap interval",
        *_dropped(first),
        "* marks the best of a column where its interval clears the second's",
        f"speed: {' and '.join(loads) or 'not measured'}, host memory to host memory",
        f"threads: {first.threads} searching, {first.fit_threads} fitting",
        f"machine: {', '.join([*cpus, *gpus])} cores; {libraries}",
        f"commit {', '.join(dict.fromkeys(one.commit[:10] + _dirty(one) for one in records))}",
    ]
    return "\n".join(lines)


def _load(record: Record) -> str:
    if record.load["kind"] == "offline":
        return f"offline in batches of {record.load['batch']}"
    return f"{record.load['kind']} over {record.n_timed} queries"


def _dropped(record: Record) -> list[str]:
    left_out = [f"{count} {name}" for name, count in record.dropped.items() if count]
    return [f"left out of the held-out parts: {', '.join(left_out)}"] if left_out else []


def _dirty(record: Record) -> str:
    return "+dirty" if record.commit.endswith("+dirty") else ""
