"""A method from outside the tree: pip installs it, it is listed, and it runs in a suite."""

import importlib.util
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from harness.store.journal import read_records
from harness.testing import RetrieverContract

ROOT = Path(__file__).parent.parent
EXAMPLE = ROOT / "examples" / "co_visits"
SUITE = """
name = "outside"
question = "Does a method from outside run?"
dataset = "checkerboard"
split = { kind = "random_per_user", test = 0.3, validation = 0.2, seed = 7, cold_items = "drop" }
metrics = ["recall@10"]
load = [{ kind = "single_stream", queries = 30 }]
[[case]]
method = "co_visits"
build = { discount = [0.0, 1.0] }
[[case]]
method = "popularity"
"""


def co_visits():
    spec = importlib.util.spec_from_file_location("co_visits", EXAMPLE / "co_visits.py")
    module = sys.modules["co_visits"] = importlib.util.module_from_spec(spec)  # for its dataclass
    spec.loader.exec_module(module)
    return module.CoVisits


class TestCoVisits(RetrieverContract):
    """It keeps the contract that ours keep."""

    retriever_class = co_visits()


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """Return the environment of a program that finds the package where pip put it."""
    folder = tmp_path_factory.mktemp("site")
    source = tmp_path_factory.mktemp("source") / "co_visits"  # a build leaves files beside it
    shutil.copytree(EXAMPLE, source)
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    command += ["--no-build-isolation", "--disable-pip-version-check"]
    subprocess.run([*command, "--target", str(folder), str(source)], check=True)
    paths = os.pathsep.join([str(folder), str(ROOT)])
    return {**os.environ, "PYTHONPATH": paths, "PYTHONDONTWRITEBYTECODE": "1"}


def harness(environment, *arguments):
    command = [sys.executable, "-m", "harness", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_it_is_small():
    """Python and pyproject together have fewer than 60 lines, as the README promises."""
    files = [EXAMPLE / "co_visits.py", EXAMPLE / "pyproject.toml"]
    assert sum(len(one.read_text().splitlines()) for one in files) < 60
    entry = tomllib.loads(files[1].read_text())["project"]["entry-points"]["matchbench.methods"]
    assert entry == {"co_visits": "co_visits:CoVisits"}


def test_it_is_listed_with_its_distribution(installed):
    """With its first sentence, and by name with its parameters; without pip it is unknown."""
    [line] = [one for one in harness(installed, "list", "methods").stdout.splitlines()
              if one.startswith("co_visits")]  # fmt: skip
    assert "how often users met it together" in line
    assert line.endswith("matchbench-co-visits")
    assert "build discount" in harness(installed, "list", "methods", "co_visits").stdout
    bare = harness({**installed, "PYTHONPATH": str(ROOT)}, "list", "methods", "co_visits")
    assert (bare.returncode, "unknown method 'co_visits'" in bare.stderr) == (2, True)


def test_it_runs_in_a_suite(installed, tmp_path):
    """Both values of its parameter; what it learns is better than popularity, or chance."""
    path = tmp_path / "outside.toml"
    path.write_text(SUITE)
    done = harness(installed, "run", str(path), "--out", str(tmp_path / "out"))
    assert done.returncode == 0, done.stderr
    recall = {}
    for one in read_records(tmp_path / "out"):
        assert one.status == "ok", one.reason
        recall[one.case, one.build.get("discount")] = one.metrics["recall@10"]
    assert set(recall) == {("co_visits", 0.0), ("co_visits", 1.0), ("popularity", None)}
    assert min(recall["co_visits", 0.0], recall["co_visits", 1.0]) > recall["popularity", None]
