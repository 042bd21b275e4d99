"""``matchbench export``: records and lists of a run as the files of other programs."""

import argparse
import importlib
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import harness
from harness.compare.log_ratio import number_of
from harness.compare.scenario import scenario
from harness.data.catalog import data_root
from harness.data.recorded import LATER, absent_from, load_recorded
from harness.errors import ExchangeError
from harness.exchange import named_json, text_retrieval, trec
from harness.exchange.action_benchmark import write_action_benchmarks
from harness.exchange.ann_csv import write_csv
from harness.exchange.asv_history import write_asv
from harness.exchange.measures import measures_of
from harness.exchange.point import Point, points_of
from harness.exchange.strict import TieReport, strict_scores
from harness.exchange.table_file import write_parquet
from harness.interactions import HeldOut
from harness.query_values import QueryLists
from harness.record import Record, Status, latest_attempts
from harness.store.journal import read_records
from harness.store.query_file import read_query_lists

DIRTY = "+dirty"  # ends the revision of a record that was measured with uncommitted changes
EXTRA = "install the extra `exchange` of matchbench"


@dataclass(frozen=True, slots=True)
class Export:
    """What is exported: the folder of the run, its points that ended well, and where it goes."""

    folder: Path
    points: Sequence[Point]
    records: Sequence[Record]
    path: Path
    root: Path | None


def main(options: argparse.Namespace) -> int:
    """Write the files and name them; what is left out is told on standard error."""
    standing = [
        one
        for attempt in latest_attempts(read_records(options.folder)).values()
        for one in attempt
        if options.cases is None or fnmatchcase(one.case, options.cases)
    ]
    if not standing:
        wanted = "" if options.cases is None else f" of cases {options.cases!r}"
        raise ExchangeError(f"{options.folder}: holds no records{wanted}")
    well = [one for one in standing if one.status == Status.OK]
    if options.to != "parquet" and len(well) < len(standing):
        left = {f"{one.case} ({one.status})" for one in standing if one.status != Status.OK}
        _say(f"left out {len(standing) - len(well)} of {len(standing)} records: {_list(left)}")
    if options.to != "parquet" and not well:
        raise ExchangeError(f"{options.folder}: no record ended well; nothing to export")
    job = Export(options.folder, points_of(well), standing, options.out, options.data_root)
    try:
        written = FORMATS[options.to](job)
    except OSError as error:
        raise ExchangeError(f"{options.out}: cannot be written: {error.strerror}") from error
    for path in written:
        print(path)
    return 0


def _trec(job: Export) -> list[Path]:
    def write(point: Point, names: list[str], lists: QueryLists, scores: Any) -> Path:
        path = job.path / f"{point.name}.run"
        trec.write_run(path, names, lists.answers.ids, scores, point.name)
        return path

    return _lists_and_qrels(job, write, "qrels.txt", trec.write_qrels)


def _ranx(job: Export) -> list[Path]:
    def write(point: Point, names: list[str], lists: QueryLists, scores: Any) -> Path:
        path = job.path / f"{point.name}.run.json"
        named_json.write_run(path, names, lists.answers.ids, scores)
        return path

    return _lists_and_qrels(job, write, "qrels.json", named_json.write_qrels)


def _lists_and_qrels(
    job: Export,
    write: Callable[[Point, list[str], QueryLists, Any], Path],
    qrels: str,
    write_qrels: Callable[..., None],
) -> list[Path]:
    """Write a run for each point and one file of what is relevant, and report ties."""
    held_out = _held_out(job)
    names = trec.query_names(held_out.queries.user_ids)
    job.path.mkdir(parents=True, exist_ok=True)
    write_qrels(job.path / qrels, names, held_out.relevant)
    written, reports = [job.path / qrels], dict[str, TieReport]()
    for point in job.points:
        lists = _lists(job, point, held_out)
        scores, reports[point.name] = strict_scores(lists.answers, f"point {point.name}")
        written.append(write(point, names, lists, scores))
    report = job.path / "ties.txt"
    report.write_text("".join(f"{name}: {one}\n" for name, one in reports.items()), "utf-8")
    tied = [name for name, one in reports.items() if one.moved]
    if tied:
        _say(f"ties were made strict in {len(tied)} of {len(reports)} runs; see {report}")
    return [*written, report]


def _figures(job: Export) -> list[Path]:
    job.path.mkdir(parents=True, exist_ok=True)
    written = []
    for point in job.points:
        written.append(text_retrieval.write_beir(job.path, point.name, point.first))
        try:
            written += text_retrieval.write_mteb(job.path, point.name, point.first)
        except ExchangeError as error:
            _say(f"left out the MTEB result of {point.name}: {error}")
    return written


def _ann_results(job: Export) -> list[Path]:
    results = _extra("harness.exchange.ann_results", "h5py")
    _say_fixed(job, "the results")
    held_out = _held_out(job)
    written = []
    for point in job.points:
        lists = _lists(job, point, held_out)
        distances, distance, dataset = _distances(job, point.first, lists)
        for number in range(len(point.records)):
            if not number_of(point.records[number], "qps"):
                if not point.records[number].qps:
                    _say(f"left out {point.name}/{point.load_name(number)}: it has no QPS")
                continue
            several = len(point.records) > 1
            name = f"{point.name}+{point.load_name(number)}" if several else point.name
            case = "".join(
                one if one.isalnum() or one in "_-." else "_" for one in point.first.case
            )
            path = job.path / dataset / str(lists.answers.k) / case / f"{name}.hdf5"
            results.write_result(path, point, number, lists, distances, distance, dataset)
            written.append(path)
    return written


def _distances(job: Export, record: Record, lists: QueryLists) -> tuple[Any, str, str]:
    """Return distances of the answers, what they are called, and the data set's name there.

    Where the data are a file of ann-benchmarks the distances are its own; else the negated scores.
    """
    if not record.dataset.startswith("ann_benchmarks("):
        name = record.dataset.partition("(")[0]
        return -lists.answers.scores, "ip", name
    reader = _extra("harness.data.ann_benchmarks", "h5py")
    raw = reader.raw_vectors(record.dataset, data_root(job.root))
    compute = importlib.import_module("harness.exchange.ann_distance").distances_of
    queries = raw.queries[lists.user_ids]
    return compute(lists.answers.ids, raw.items, queries, raw.distance), raw.distance, raw.name


def _ann_csv(job: Export) -> list[Path]:
    _say_fixed(job, "the QPS")
    write_csv(job.path, job.points)
    return [job.path]


def _asv(job: Export) -> list[Path]:
    """Write the points of committed code; asv would take the others for their revision."""
    dirty = [one for one in job.points if one.first.commit.endswith(DIRTY)]
    if dirty:
        n, names = sum(len(one.records) for one in dirty), {one.first.case for one in dirty}
        _say(f"left out {n} records of uncommitted code: {_list(names)}")
    clean = [one for one in job.points if one not in dirty]
    if not clean:
        raise ExchangeError(
            f"{job.folder}: every record is of uncommitted code ({dirty[0].first.commit}); asv "
            "orders by revisions, so commit and run again"
        )
    _say_fixed(job, "the QPS")
    return write_asv(job.path, measures_of(clean), commit_time)


def _action(job: Export) -> list[Path]:
    job.path.mkdir(parents=True, exist_ok=True)
    _say_fixed(job, "the QPS")
    return write_action_benchmarks(job.path, measures_of(job.points))


def _parquet(job: Export) -> list[Path]:
    _extra("pyarrow", "pyarrow")
    write_parquet(job.path, job.records)
    return [job.path]


FORMATS: Mapping[str, Callable[[Export], list[Path]]] = {
    "trec": _trec,
    "ranx": _ranx,
    "beir": _figures,
    "ann-benchmarks": _ann_results,
    "ann-benchmarks-csv": _ann_csv,
    "asv": _asv,
    "github-action-benchmark": _action,
    "parquet": _parquet,
}


def commit_time(revision: str) -> int | None:
    """Return when a revision of this checkout was made, seconds; None where git cannot say."""
    command = ["git", "show", "-s", "--format=%ct", revision]
    place = Path(harness.__file__).resolve().parent
    try:
        told = subprocess.run(command, cwd=place, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return int(told.stdout.split()[-1])


def _held_out(job: Export) -> HeldOut:
    """Return the test part of the records' data."""
    first = job.points[0].first
    for point in job.points:
        if point.first.data_hash != first.data_hash:
            raise ExchangeError(
                f"{job.folder}: holds records of {first.dataset} ({first.case}) and of "
                f"{point.first.dataset} ({point.first.case}), expected one data set and split; "
                "choose by --cases"
            )
    for name, value in absent_from(first.split).items():
        if name in LATER:
            _say(f"the records are older than the key {name!r} of splits; taken as {value!r}")
    return load_recorded(first.dataset, first.split, first.data_hash, job.root).test


def _lists(job: Export, point: Point, held_out: HeldOut) -> QueryLists:
    lists = read_query_lists(job.folder, point.first.per_query)
    if lists.user_ids.tolist() != held_out.queries.user_ids.tolist():
        raise ExchangeError(
            f"{job.folder / str(point.first.per_query)}: the queries are not those of the data set"
        )
    return lists


def _extra(module: str, package: str) -> Any:
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise ExchangeError(f"{package} is not installed: {EXTRA}") from error


def _say_fixed(job: Export, what: str) -> None:
    """Tell of the loads whose rate is that of the arrivals, which no format calls anything else."""
    fixed = [
        one
        for point in job.points
        for one in point.records
        if one.qps and number_of(one, "qps") is None
    ]
    if fixed:
        loads = ", ".join(dict.fromkeys(scenario(one.load) for one in fixed))
        _say(f"left out {what} of {len(fixed)} records under {loads}: the rate is the load's own")


def _list(names: set[str]) -> str:
    shown = sorted(names)
    return ", ".join(shown[:5]) + (f" and {len(shown) - 5} more" if len(shown) > 5 else "")


def _say(line: str) -> None:
    print(line, file=sys.stderr)
