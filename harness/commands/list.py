"""``matchbench list``: what is there. Imports no method, so that it starts at once."""

import argparse
import ast
import importlib.util
import tomllib
from collections.abc import Callable
from pathlib import Path

from tabulate import tabulate

from harness.commands.shipped import suite_folders
from harness.data.catalog import DATASETS, is_present
from harness.errors import MethodError
from harness.metrics.metric import METRICS
from harness.params import describe_params
from harness.registry import MethodEntry, load_method, methods
from harness.run.suite import shipped_suites
from harness.spaces import parse_space, plain_space


def main(options: argparse.Namespace) -> int:
    """Print one list or all four; with a method's name, its parameters."""
    if options.name is not None:
        if options.kind != "methods":
            raise MethodError("only `list methods` takes a name")
        _show_method(options.name)
        return 0
    for number, kind in enumerate([options.kind] if options.kind else LISTS):
        if number:
            print()
        if options.kind is None:
            print(f"{kind}:")
        print(tabulate(LISTS[kind](options.data_root), tablefmt="plain", disable_numparse=True))
    return 0


def _methods(_: Path | None) -> list[list[str]]:
    return [[one.name, first_sentence(one), one.distribution] for one in methods().values()]


def _suites(_: Path | None) -> list[list[str]]:
    rows = []
    for name, path in shipped_suites(suite_folders()).items():
        table = tomllib.loads(path.read_text(encoding="utf-8"))
        rows.append([name, str(table.get("question", "")), str(table.get("dataset", ""))])
    return rows


def _datasets(root: Path | None) -> list[list[str]]:
    rows = []
    for name, entry in DATASETS.items():
        here = "here" if is_present(name, root) else "not here"
        other = "synthetic" if entry.is_synthetic else "by path"
        rows.append([name, entry.summary, here if entry.is_real else other])
    return rows


def _metrics(_: Path | None) -> list[list[str]]:
    return [[f"{name}@K", text] for name, text in METRICS.items()]


LISTS: dict[str, Callable[[Path | None], list[list[str]]]] = {
    "methods": _methods,
    "suites": _suites,
    "datasets": _datasets,
    "metrics": _metrics,
}


def first_sentence(entry: MethodEntry) -> str:
    """Return the first line of a method's docstring, read from its source without importing it."""
    module, _, name = entry.target.partition(":")
    try:
        spec = importlib.util.find_spec(module)
    except Exception:  # a plug-in may raise anything; `load_method` says what
        spec = None
    if spec is None or spec.origin is None:
        return "(cannot be found)"
    try:
        tree = ast.parse(Path(spec.origin).read_text(encoding="utf-8"))
    except (SyntaxError, ValueError, OSError) as error:
        return f"(cannot be read: {error})"
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.name == name:
            return (ast.get_docstring(node) or "").partition("\n")[0]
    return "(cannot be found)"


def _show_method(name: str) -> None:
    cls = load_method(name)
    print(f"{name}: {(cls.__doc__ or '').strip()}\n")
    print(f"devices: {', '.join(cls.devices)}")
    print(f"capabilities: {', '.join(sorted(cls.capabilities)) or 'none'}")
    for kind, params in (("build", cls.BuildParams), ("search", cls.SearchParams)):
        for parameter, text in describe_params(params).items():
            print(f"{kind} {parameter}: {text}")
    space, _ = parse_space(cls.BuildParams, cls.TuneSpace)
    for parameter, values in plain_space(space).items():
        print(f"tune {parameter}: {values}")
