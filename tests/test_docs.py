"""What the documents say is so: commands parse, names exist, links lead somewhere."""

import dataclasses
import json
import re
import shlex
import tomllib
from pathlib import Path

import pytest
import yaml

from harness.arguments import make_parser
from harness.cli import COMMANDS
from harness.compare.published import parse_published
from harness.data.catalog import DATASETS
from harness.run.suite import read_suite, shipped_suites
from methods import CATALOG

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = [
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "suites/README.md",
    "results/README.md",
    "docs/regressions.md",
]
WORKFLOW = ROOT / ".github" / "workflows" / "regressions.yml"


def commands_of(text):
    """Return the words of each `matchbench ...` line in code blocks."""
    for block in re.findall(r"```\n(.*?)```", text, re.DOTALL):
        for line in block.splitlines():
            if line.startswith("matchbench "):
                yield shlex.split(line, comments=True)[1:]


def test_the_commands_of_the_readme_parse():
    """Every command line shown is one the program takes."""
    shown = list(commands_of((ROOT / "README.md").read_text()))
    assert len(shown) >= 6
    for words in shown:
        assert make_parser().parse_args(words).command in COMMANDS


@pytest.mark.parametrize("command", list(COMMANDS))
def test_every_command_has_help(command, capsys):
    """--help names what the command takes and ends well."""
    with pytest.raises(SystemExit) as ended:
        make_parser().parse_args([command, "--help"])
    assert ended.value.code == 0
    assert len(capsys.readouterr().out.splitlines()) > 5


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_lead_somewhere(name):
    """Every relative link of a document names a file that is there."""
    path = ROOT / name
    for target in re.findall(r"\]\(([^)#:]+)\)", path.read_text()):
        assert (path.parent / target).exists(), target


def test_the_suites_readme_names_every_key():
    """A key of a suite file that is not documented would be found by nobody."""
    text = (ROOT / "suites" / "README.md").read_text()
    for key in read_suite(ROOT / "suites" / "quickstart.toml").__dataclass_fields__:
        if key not in ("path", "cases"):
            assert f"`{key}`" in text, key


SHIPPED = shipped_suites([ROOT / "suites"])


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_suites_read(name):
    """Each shipped suite is whole, carries its file's name and asks known things."""
    suite = read_suite(SHIPPED[name])
    assert suite.name == name.replace("/", "_")
    assert suite.dataset in DATASETS
    assert {case.method for case in suite.cases} <= {*CATALOG, "best_possible"}


def test_the_make_targets_of_the_readme_exist():
    """`make quickstart` and `make test` are targets, and CI calls the second."""
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"^make (\w+)", (ROOT / "README.md").read_text(), re.MULTILINE):
        assert f"\n{target}:" in makefile
    assert "\nmake test\n" in (ROOT / ".ci" / "run").read_text()


def test_pins_cover_the_dependencies():
    """Every direct dependency has an exact version in constraints.txt."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    pins = {
        line.partition("==")[0].lower().replace("_", "-")
        for line in (ROOT / "constraints.txt").read_text().splitlines()
        if "==" in line
    }
    extras = project["optional-dependencies"].values()
    wanted = [*project["dependencies"], *(name for extra in extras for name in extra)]
    names = {re.split(r"[><=]", one)[0].lower().replace("_", "-") for one in wanted}
    assert names <= pins, names - pins


PUBLISHED = sorted((ROOT / "suites" / "known_answers").glob("*.published.toml"))


@pytest.mark.parametrize("path", PUBLISHED, ids=lambda path: path.name)
def test_published_figures_fit_their_suite(path):
    """They are of its dataset and metrics; a case that they name is there, and has a tolerance."""
    suite = read_suite(path.with_name(path.name.replace(".published", "")))
    figures = parse_published(tomllib.loads(path.read_text()), path.name)
    cases = {case.name for case in suite.cases}
    for one in figures:
        assert one.dataset == suite.dataset
        assert set(one.metrics) <= set(suite.metrics)
        assert (one.case in cases and one.tolerance > 0) or one.not_run, one.method


ON_TEST = "_selected_on_test"


@pytest.mark.parametrize(
    "path",
    sorted((ROOT / "suites" / "known_answers").glob(f"*{ON_TEST}.toml")),
    ids=lambda path: path.name,
)
def test_suites_that_select_on_test_ask_the_same_otherwise(path):
    """Their cases and figures are those of the suite beside them; they judge by all test users."""
    usual = read_suite(path.with_name(path.name.replace(ON_TEST, "")))
    suite = read_suite(path)
    assert suite.split == {**usual.split, "select_on": "test"}
    assert "select_on" not in usual.split
    cases = {case.name: case for case in usual.cases}
    for one in suite.cases:
        build = {**cases[one.name].build, "n_validation": 0}
        assert one == dataclasses.replace(cases[one.name], build=build)
    figures, others = (
        parse_published(tomllib.loads(one.with_suffix(".published.toml").read_text()), one.name)
        for one in (path, Path(usual.path))
    )
    known = [(one.method, one.source, one.metrics) for one in others]
    for one in figures:
        assert (one.method, one.source, one.metrics) in known


def test_every_suite_of_known_answers_has_its_figures():
    """A suite there without published figures would answer nothing."""
    named = {one for one in SHIPPED if one.startswith("known_answers/")}
    assert named == {
        f"known_answers/{one.name.removesuffix('.published.toml')}" for one in PUBLISHED
    }


def test_commands_of_the_regressions_page_and_workflow_parse():
    """`matchbench gate ...`, as documents and CI write it, is what the program takes."""
    lines = list(commands_of((ROOT / "docs" / "regressions.md").read_text()))
    found = re.findall(r"run: \.venv/bin/matchbench (.*)", WORKFLOW.read_text())
    assert len(found) == 2
    for words in [*lines, *(shlex.split(one) for one in found)]:
        assert make_parser().parse_args(words).command in ("gate", "baseline", "export")


def test_the_workflow_calls_targets_that_exist():
    """Every `make` of a job is a target; each trigger of the page has its job."""
    workflow = yaml.safe_load(WORKFLOW.read_text())
    assert set(workflow["jobs"]) == {"facts", "speed", "history"}
    steps = [step for job in workflow["jobs"].values() for step in job["steps"]]
    makefile = (ROOT / "Makefile").read_text()
    for step in steps:
        if step.get("run", "").startswith("make "):
            assert f"\n{step['run'].split()[1]}:" in makefile
    triggers = workflow[True]  # YAML reads `on` as a boolean
    assert set(triggers) == {"pull_request", "schedule", "workflow_dispatch"}


def test_asv_follows_the_tracked_benchmarks():
    """Its folder is there, and the versions it installs are those of constraints.txt."""
    conf = json.loads((ROOT / "asv.conf.json").read_text())
    assert (ROOT / conf["benchmark_dir"] / "__init__.py").is_file()
    pins = (ROOT / "constraints.txt").read_text().splitlines()
    for name, versions in conf["matrix"]["req"].items():
        assert [f"{name}=={one}" for one in versions] == [
            one for one in pins if one.startswith(f"{name}==")
        ]


def test_the_history_holds_exported_records_when_its_pages_are_made():
    """`asv run` drops them from benchmarks.json, so the export stands between it and publish."""
    recipe = (ROOT / "Makefile").read_text().partition("\nhistory:")[2].partition("\n\n")[0]
    places = [recipe.find(one) for one in ("asv run", "export $$run --to asv", "asv publish")]
    assert 0 <= places[0] < places[1] < places[2]
