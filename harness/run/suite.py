"""Suite files: TOML -> Suite. Every fault of the file's form is found before any is reported."""

import math
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.errors import SuiteError, near
from harness.measure.profile import PROFILES

DEVICES = ("cpu", "cuda")
PLAIN_NAME = re.compile(r"[\w-][\w.-]{0,99}")
PUBLISHED = ".published.toml"  # how the names of files end that are no suites
Table = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Case:
    """One method and the grids of its parameters, as written: a list is a set of values to try.

    ``search`` is one grid or several, whose points are visited one grid after another. ``seeds``
    are those of the suite where they are None.
    """

    name: str
    method: str
    build: Table = field(default_factory=dict)
    search: Table | Sequence[Table] = field(default_factory=dict)
    tune: Table | None = None  # what `matchbench tune` varies; None: what the method's class says
    seeds: tuple[int, ...] | None = None

    @property
    def searches(self) -> Sequence[Table]:
        """Return the grids of search parameters."""
        return [self.search] if isinstance(self.search, Mapping) else self.search


@dataclass(frozen=True, slots=True)
class Suite:
    """One question about some methods on one dataset.

    Attributes
    ----------
    path : the file, for messages.
    dataset, dataset_params : a name of `harness.data`, and parameters where it is synthetic.
    split : the split's table, its defaults not yet filled in.
    metrics : names such as ``recall@50``; the largest cut-off is the k of every search.
    load : tables, one per way of sending queries.
    threads, fit_threads : threads while searching, one trial for each number, and while fitting
        and building.
    refit : methods that choose by validation then learn once more from all training data.
    profile : how long and how often is measured, of `harness.measure.profile`.
    time_limit_s : seconds one trial may take.
    memory_limit_mb : megabytes that the processes of one trial may hold, together; None: no limit.
    tuning : case -> how `matchbench tune` chose its build parameters; empty where it did not.
    gate : ``exact``, the cases whose lists `matchbench gate` holds to be the same on any machine.
    """

    path: str
    name: str
    question: str
    dataset: str
    metrics: tuple[str, ...]
    cases: tuple[Case, ...]
    split: Table
    dataset_params: Table = field(default_factory=dict)
    load: tuple[Table, ...] = ({"kind": "single_stream"},)
    devices: tuple[str, ...] = ("cpu",)
    seeds: tuple[int, ...] = (0,)
    threads: tuple[int, ...] = (1,)
    fit_threads: int = 2
    refit: bool = True
    profile: str = "smoke"
    time_limit_s: float = 3600.0
    memory_limit_mb: float | None = None
    tuning: Mapping[str, Table] = field(default_factory=dict)
    gate: Table = field(default_factory=dict)


_KEYS: Mapping[str, type | tuple[type, ...]] = {
    "name": str,
    "question": str,
    "dataset": str,
    "dataset_params": dict,
    "split": dict,
    "metrics": list,
    "load": list,
    "devices": list,
    "seeds": list,
    "threads": (int, list),
    "fit_threads": int,
    "refit": bool,
    "profile": str,
    "time_limit_s": (int, float),
    "memory_limit_mb": (int, float),
    "tuning": dict,
    "gate": dict,
    "case": list,
}
_REQUIRED = ("name", "question", "dataset", "split", "metrics", "case")
_CASE_KEYS: Mapping[str, type | tuple[type, ...]] = {
    "name": str,
    "method": str,
    "build": dict,
    "search": (dict, list),
    "tune": dict,
    "seeds": list,
}
_ELEMENTS: Mapping[str, type] = {
    "metrics": str,
    "load": dict,
    "devices": str,
    "seeds": int,
    "threads": int,
    "case": dict,
    "search": dict,
}


def find_suite(name: str, folders: Sequence[Path]) -> Path:
    """Return the file of a suite given by path, or by name in one of ``folders``.

    Raises
    ------
    SuiteError
        Neither; near names of the folders are offered.
    """
    path = Path(name)
    if path.is_file():
        return path
    shipped = shipped_suites(folders)
    if name in shipped:
        return shipped[name]
    raise SuiteError(f"no suite {name!r}: neither a file nor a shipped suite{near(name, shipped)}")


def shipped_suites(folders: Sequence[Path]) -> dict[str, Path]:
    """Return the suite files of ``folders`` by name; earlier folders win.

    One in a folder below has that folder in its name: ``known_answers/gowalla``. Files that end in
    ``.published.toml`` hold figures of others, see `harness.compare.published`, and are no suites.
    """
    found: dict[str, Path] = {}
    for folder in folders:
        for path in sorted(folder.rglob("*.toml"), key=lambda one: (one.parent, one.name)):
            if not path.name.endswith(PUBLISHED):
                found.setdefault(path.relative_to(folder).with_suffix("").as_posix(), path)
    return found


def read_suite(path: Path) -> Suite:
    """Read a suite file that has no fault of form.

    Raises
    ------
    SuiteError
        The file cannot be read or has faults; all of them are in the message, one a line.
    """
    suite, faults = parse_suite(path)
    raise_faults(str(path), faults)
    assert suite is not None, "a suite without faults was made"
    return suite


def parse_suite(path: Path) -> tuple[Suite | None, list[str]]:
    """Read a suite file and return it with its faults of form: keys, types, what is required.

    What is at fault is left out of the suite, so that the rest can be checked too and all faults
    come together; None where too little is left.

    Raises
    ------
    SuiteError
        The file cannot be read, or is not TOML.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SuiteError(f"{path}: cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SuiteError(f"{path}: is not TOML: {error}") from error
    faults = _faults_of(table, "", _KEYS, _REQUIRED)
    values = {key: one for key, one in table.items() if not _faults_of({key: one}, "", _KEYS, ())}
    cases = []
    for number, case in enumerate(values.pop("case", []), 1):
        found = _faults_of(case, f"case {number}: ", _CASE_KEYS, ("method",))
        faults += found
        if not found:
            seeds = {"seeds": tuple(case["seeds"])} if "seeds" in case else {}
            cases.append(Case(**{"name": case["method"], **case, **seeds}))
    if not cases or any(key not in values for key in _REQUIRED if key != "case"):
        return None, faults
    for key in ("metrics", "load", "devices", "seeds", "threads"):
        if key in values:
            values[key] = tuple(values[key]) if isinstance(values[key], list) else (values[key],)
    suite = Suite(path=str(path), cases=tuple(cases), **values)
    return suite, faults + _faults_of_values(suite)


def raise_faults(where: str, faults: Sequence[str]) -> None:
    """Raise one SuiteError with every fault on a line of its own, if there are any."""
    if faults:
        raise SuiteError("\n".join(f"{where}: {fault}" for fault in faults))


def _faults_of(
    table: Table,
    where: str,
    keys: Mapping[str, type | tuple[type, ...]],
    required: Sequence[str],
) -> list[str]:
    faults = [f"{where}unknown key {key!r}{near(key, keys)}" for key in table if key not in keys]
    faults += [f"{where}the key {key!r} is missing" for key in required if key not in table]
    for key, kind in keys.items():
        if key not in table:
            continue
        value = table[key]
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            expected = _in_words(kind)
            faults.append(f"{where}{key} = {value!r} has the wrong type; expected {expected}")
        elif key in _ELEMENTS and isinstance(value, list):
            wrong = [one for one in value if type(one) is not _ELEMENTS[key]]
            if wrong or not value:
                expected = f"at least one {_ELEMENTS[key].__name__}, and nothing else"
                faults.append(f"{where}{key} = {value!r}; expected {expected}")
    return faults


def _in_words(kind: type | tuple[type, ...]) -> str:
    """Return what a key may hold.

    >>> _in_words(dict), _in_words((int, float)), _in_words((dict, list))
    ('dict', 'number', 'dict or list')
    """
    if isinstance(kind, type):
        return kind.__name__
    return "number" if float in kind else " or ".join(one.__name__ for one in kind)


def _faults_of_values(suite: Suite) -> list[str]:
    faults = [
        f"devices: unknown device {one!r}{near(one, DEVICES)}"
        for one in suite.devices
        if one not in DEVICES
    ]
    numbers: list[tuple[str, float | None]] = [("threads", one) for one in suite.threads]
    numbers += [
        (key, getattr(suite, key)) for key in ("fit_threads", "time_limit_s", "memory_limit_mb")
    ]
    faults += [
        f"{key} = {value} must be above 0 and finite"
        for key, value in numbers
        if value is not None and not 0 < value < math.inf
    ]
    if suite.profile not in PROFILES:
        faults.append(f"profile: unknown profile {suite.profile!r}{near(suite.profile, PROFILES)}")
    if not PLAIN_NAME.fullmatch(suite.name):
        shown = suite.name if len(suite.name) <= 60 else f"{suite.name[:57]}..."
        expected = "1 to 100 letters, digits, dots, dashes and underscores, not led by a dot"
        faults.append(f"name = {shown!r} must be {expected}, as it becomes a folder's")
    names = [case.name for case in suite.cases]
    faults += [
        f"case name {name!r} is given {names.count(name)} times; give each case a name of its own"
        for name in sorted(set(names))
        if names.count(name) > 1
    ]
    return faults + _faults_of_tuning(suite) + _faults_of_gate(suite)


def _faults_of_tuning(suite: Suite) -> list[str]:
    """Return where ``[tuning]`` does not say what the cases are."""
    cases = {case.name: case for case in suite.cases}
    faults = []
    for name, table in suite.tuning.items():
        if name not in cases:
            faults.append(f"tuning: unknown case {name!r}{near(name, cases)}")
        elif not isinstance(table, dict) or not isinstance(table.get("chosen"), dict):
            faults.append(f"tuning: {name} = {table!r} must be a table with the table 'chosen'")
        else:
            build = cases[name].build
            faults += [
                f"tuning: {name}: chose {key} = {value!r}, the case's build has "
                f"{build.get(key)!r}; correct the one, or remove the table"
                for key, value in table["chosen"].items()
                if build.get(key) != value
            ]
    return faults


def _faults_of_gate(suite: Suite) -> list[str]:
    """Return where ``[gate]`` does not name cases of the suite."""
    names = [case.name for case in suite.cases]
    exact = suite.gate.get("exact", [])
    others = sorted(suite.gate.keys() - {"exact"})
    faults = [f"gate: unknown key {one!r}{near(one, ['exact'])}" for one in others]
    if not isinstance(exact, list) or not all(isinstance(one, str) for one in exact):
        return [*faults, f"gate: exact = {exact!r} must be a list of names of cases"]
    strangers = [one for one in exact if one not in names]
    return faults + [f"gate: unknown case {one!r}{near(one, names)}" for one in strangers]
