"""The suite that comes out: valid, the same question, and honest about what chose its values."""

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.cli import main
from harness.data.catalog import load_log
from harness.data.split_spec import parse_split
from harness.data.splits import split_log
from harness.errors import SuiteError
from harness.run.ending import Ending
from harness.run.plan import plan_trials
from harness.run.runner import RunContext, failure_record
from harness.run.suite import read_suite
from harness.run.toml_text import lines
from harness.tuning import TuningTrial

CASES = (
    'method = "aimed"\nbuild = { pairs = 4 }',
    'name = "second [\\"aimed\\"]"\nmethod = "aimed_too"\ntune = { aim = [0.3, 0.6] }',
    'method = "popularity"',
)


@pytest.fixture
def tuned(make_suite, here, tmp_path, capsys):
    """Tune the cases in this process; return the suite's path and what was printed."""
    path = make_suite(*CASES)
    words = ["tune", str(path), "--trials", "5", "--out", str(tmp_path / "out")]
    assert main(words) == 0
    return tmp_path / "out" / "tiny.tuned.toml", capsys.readouterr().out


def test_values_are_the_planted_quality(tuned, tmp_path):
    """A trial's value is the mean share of validation items that |aim - 0.7| leaves in place."""
    lines = (tuned[0].parent / "tuning.jsonl").read_text().splitlines()
    split = {"kind": "random_per_user", "test": 0.3, "validation": 0.3, "cold_items": "keep"}
    validation = split_log(load_log("checkerboard", {}, None), parse_split(split), "b").validation
    trials = [TuningTrial.from_json(line) for line in lines]
    assert len({one.value for one in trials}) > 3
    for one in trials:
        missed = abs(one.values["aim"] - 0.7) * 60
        shares = [(validation.relevant.row(n) >= missed).mean() for n in range(len(validation))]
        assert one.value == pytest.approx(sum(shares) / len(shares), abs=1e-12)
        assert (one.n_queries, one.status, one.seed) == (len(validation), "ok", 3)


def test_it_asks_the_same_with_the_chosen_values(tuned, tmp_path):
    """Everything but name and build is as it was; every record would carry the budget."""
    path, _ = tuned
    before, after = (tomllib.loads(one.read_text()) for one in (tmp_path / "tiny.toml", path))
    budgets = after.pop("tuning")
    builds = [case.pop("build", {}) for case in after["case"]]
    before["name"] = "tiny.tuned"
    before["case"][0].pop("build")
    assert after == before
    assert builds[0] == {"pairs": 4, **budgets["aimed"]["chosen"]}
    assert builds[1]["aim"] in (0.3, 0.6)
    assert builds[2] == budgets["popularity"]["chosen"] == {}
    counts = [(one["budget"], one["trials"], one["failed"]) for one in budgets.values()]
    assert counts == [(5, 5, 0), (5, 3, 0), (5, 0, 0)]
    assert budgets["popularity"]["reason"] == "the method has no parameters"
    assert budgets["aimed"]["best_value"] >= budgets["aimed"]["default_value"]
    assert budgets["aimed"]["space"] == {"aim": {"low": 0.0, "high": 1.0, "log": False}}
    trials = plan_trials(read_suite(path))
    assert main(["plan", str(path)]) == 0
    record = failure_record_of(trials[0], tmp_path)
    assert record.tuning["best_value"] == budgets["aimed"]["best_value"]
    assert not record.tuning.keys() & {"space", "chosen"}


def test_the_search_setting_that_counted_is_told(make_suite, here, tmp_path, capsys):
    """Aim 0.3 and shift 0.4 make 0.7: the suite keeps both shifts, its table names that one."""
    search = "search = { shift = [0.0, 0.4] }"
    path = make_suite(f'method = "aimed"\n{search}\ntune = {{ aim = [0.3, 0.2] }}')
    assert main(["tune", str(path), "--trials", "3", "--out", str(tmp_path / "out")]) == 0
    after = tomllib.loads((tmp_path / "out" / "tiny.tuned.toml").read_text())
    budget = after["tuning"]["aimed"]
    assert (budget["chosen"], budget["best_search"]) == ({"aim": 0.3}, {"shift": 0.4})
    assert budget["best_value"] > budget["default_value"]
    assert after["case"][0]["search"] == {"shift": [0.0, 0.4]}
    assert "aim = 0.3; best search: shift = 0.4" in capsys.readouterr().out


def failure_record_of(spec, folder):
    context = RunContext(folder, None, "split", "hash")
    return failure_record(spec, "attempt", context, Ending("failed"))


def head_of(path):
    """Return the comment above a suite, as one line."""
    lines = path.read_text().splitlines()
    return " ".join(one.lstrip("# ") for one in lines if one.startswith("#"))


def test_its_head_names_the_cases_that_had_no_or_fewer_trials(tuned):
    """Popularity has none, the second case two settings beside its default; the first had all 5."""
    head = head_of(tuned[0])
    assert "from 5 trials for each case not named below" in head
    assert "Not tuned: popularity: the method has no parameters." in head
    assert 'Fewer trials: "second [\\"aimed\\"]": after 3 settings none is left' in head


def test_its_head_names_the_cases_that_were_not_asked_for(make_suite, here, tmp_path):
    """One case alone, then another with more trials: the numbers of both stand there."""
    path, out = (
        make_suite(CASES[0], 'name = "other"\nmethod = "aimed_too"', CASES[2]),
        tmp_path / "out",
    )
    assert main(["tune", str(path), "--trials", "2", "--cases", "aimed", "--out", str(out)]) == 0
    head = head_of(out / "tiny.tuned.toml")
    assert "Not tuned: other: not among the cases asked for." in head
    more = ["tune", str(out / "tiny.tuned.toml"), "--trials", "3", "--cases", "other"]
    assert main([*more, "--out", str(out / "more")]) == 0
    head = head_of(out / "more" / "tiny.tuned.toml")
    assert "from 2 or 3 trials for each case" in head
    assert "Not tuned: other" not in head
    assert "Not tuned: popularity: not among" in head


def test_what_is_printed_names_best_and_default(tuned):
    """A row per case; a case without trials has its reason below."""
    _, printed = tuned
    row = next(line for line in printed.splitlines() if line.startswith("aimed"))
    assert row.split()[1:3] == ["5", "0"]
    assert "aim = " in row
    assert "test was not opened" in printed
    assert "[2] the method has no parameters" in printed


def test_a_tuned_suite_that_was_edited_is_refused(tuned):
    """A build that is not what its table says was chosen carries no budget."""
    path, _ = tuned
    text = path.read_text()
    build = next(line for line in text.splitlines() if line.startswith("build"))
    path.write_text(text.replace(build, "build = { pairs = 4, aim = 0.123 }"))
    with pytest.raises(SuiteError, match=r"tuning: aimed: chose aim = .*build has 0\.123"):
        read_suite(path)
    path.write_text(text.replace("[tuning.aimed]", "[tuning.aimd]"))
    with pytest.raises(SuiteError, match=r"tuning: unknown case 'aimd'; did you mean 'aimed'"):
        read_suite(path)


def test_a_part_of_the_cases_leaves_the_rest(tuned, here, tmp_path, capsys):
    """Tuning one case of a tuned suite keeps what was chosen for the others."""
    path, _ = tuned
    before = tomllib.loads(path.read_text())
    words = ["tune", str(path), "--trials", "4", "--cases", "second*", "--seed", "11"]
    assert main([*words, "--out", str(tmp_path / "again")]) == 0
    after = tomllib.loads((tmp_path / "again" / path.name).read_text())
    assert after["name"] == "tiny.tuned"
    assert after["tuning"]["aimed"] == before["tuning"]["aimed"]
    assert after["case"][0] == before["case"][0]
    assert after["tuning"]['second ["aimed"]']["seed"] == 11


values = st.recursive(
    st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab \"'.\n"), inner),
    max_leaves=6,
)


@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), values, max_size=3))
def test_toml_text_is_read_back(table):
    """What is written is what `tomllib` reads, whatever the keys and values."""
    assert tomllib.loads(lines(table)) == table


def test_a_case_whose_trials_all_failed_stays(make_suite, here, tmp_path):
    """Its values are the suite's own, the table says that nothing was found, the exit status 1."""
    path = make_suite('method = "aimed"\nbuild = { raises_above = -1.0 }')
    assert main(["tune", str(path), "--trials", "3", "--out", str(tmp_path / "out")]) == 1
    table = tomllib.loads((tmp_path / "out" / "tiny.tuned.toml").read_text())
    assert table["case"][0]["build"] == {"raises_above": -1.0}
    budget = table["tuning"]["aimed"]
    assert (budget["trials"], budget["failed"], budget["chosen"]) == (3, 3, {})
    assert "best_value" not in budget
