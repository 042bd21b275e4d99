"""Kernels of several files: what is kept of one on disk follows every file of its folder."""

import ast
import importlib
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
HELPER = """
from methods.compiling import into_callers


@into_callers
def step(x):
    return x + {step}
"""
ENTRY = """
from methods.compiling import kept
from kernel_of_two.helper import step


@kept("int64(int64)")
def twice(x):
    return 2 * step(x)
"""


@pytest.fixture
def load(tmp_path, monkeypatch):
    """Return what writes a kernel of two files, imports it anew and returns its entry point."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # sources change faster than their times
    folder = tmp_path / "kernel_of_two"
    folder.mkdir()
    names = ("kernel_of_two", "kernel_of_two.helper", "kernel_of_two.entry")

    def load(step):
        for name in names:
            sys.modules.pop(name, None)
        (folder / "__init__.py").write_text("")
        (folder / "helper.py").write_text(HELPER.format(step=step))
        (folder / "entry.py").write_text(ENTRY)
        importlib.invalidate_caches()
        return importlib.import_module("kernel_of_two.entry").twice

    yield load
    for name in names:
        sys.modules.pop(name, None)


def test_a_kept_entry_point_follows_its_helpers(load):
    """Compiled once, then loaded; a helper that changes in another file is compiled in at once."""
    first, again, other = load(1), load(1), load(5)
    assert (first(3), bool(first.stats.cache_misses)) == (8, True)
    assert (again(3), bool(again.stats.cache_misses)) == (8, False)
    assert (other(3), bool(other.stats.cache_misses)) == (16, True)
    assert (load(1)(3), load(5)(3)) == (8, 16)


def kernels():
    """Return the folders of `methods` that have a kept entry point."""
    return sorted(
        {
            path.parent
            for path in (ROOT / "methods").rglob("*.py")
            if path.name != "compiling.py" and "@kept(" in path.read_text()
        }
    )


def test_there_are_kernels():
    """Else what follows would prove nothing."""
    assert kernels() != []


@pytest.mark.parametrize("folder", kernels(), ids=lambda one: one.name)
def test_a_kernel_stands_on_its_folder_alone(folder):
    """Of `methods` it imports its own files and `compiling`: a change elsewhere goes unnoticed."""
    own = ".".join(folder.relative_to(ROOT).parts)
    strays = [
        f"{path.name}: {node.module}"
        for path in sorted(folder.glob("*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom)
        and node.module.startswith("methods")
        and node.module != "methods.compiling"
        and not node.module.startswith(f"{own}.")
    ]
    assert strays == []
