"""The journal loses nothing: appended lines stay, a cut last line is named and set aside."""

import pytest

from harness.errors import RecordError
from harness.record import Record, latest_attempts
from harness.store.journal import NAME, Journal, read_records


def record(**changes):
    values = {
        **{key: {} for key in ("build", "search", "load", "machine", "environment")},
        **dict.fromkeys(("n_points", "threads", "fit_threads"), 1),
        "seed": 0,
        "status": "ok",
    }
    for name in (
        "trial_id",
        "suite",
        "case",
        "method",
        "dataset",
        "data_hash",
        "split",
        "device",
        "started_at",
        "commit",
        "code_hash",
        "replay",
        "attempt",
    ):
        values[name] = name[0]
    return Record(**{**values, **changes})


def write(folder, *records):
    journal = Journal(folder)
    with journal.opened():
        for one in records:
            journal.append(one)


def test_what_is_appended_is_read_back_in_full(tmp_path):
    """A float comes back bit for bit: nothing is rounded in storage."""
    one = record(metrics={"ndcg@10": 0.1 + 0.2}, metrics_ci={"ndcg@10": (0.1, 1 / 3)})
    write(tmp_path, one)
    assert read_records(tmp_path) == [one]


def test_appending_keeps_what_was_there(tmp_path):
    """A second run adds to the first one's records."""
    write(tmp_path, record(seed=1))
    write(tmp_path, record(seed=2))
    assert [one.seed for one in read_records(tmp_path)] == [1, 2]


def test_a_cut_last_line_is_an_error_for_readers(tmp_path):
    """A reader names file, line and remedy, and does not guess."""
    write(tmp_path, record(), record())
    path = tmp_path / NAME
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(RecordError, match=r"records\.jsonl: line 2 was cut .* the 1 lines before"):
        read_records(tmp_path)


def test_a_run_sets_a_cut_line_aside_and_goes_on(tmp_path):
    """The cut bytes are kept in a file of their own, whole lines stay, new ones follow."""
    write(tmp_path, record(seed=1), record(seed=2))
    path = tmp_path / NAME
    content = path.read_bytes()
    path.write_bytes(content[:-10])
    journal = Journal(tmp_path)
    with journal.opened() as records:
        assert [one.seed for one in records] == [1]
        journal.append(record(seed=3))
    assert journal.set_aside is not None
    assert journal.set_aside.read_bytes() == content.splitlines(keepends=True)[1][:-10]
    assert [one.seed for one in read_records(tmp_path)] == [1, 3]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "line 1 is not JSON"),
        ("[]", "line 1 is not a JSON object but list"),
        ('{"schema": 99}', "has schema 99; this program reads 1 to 5"),
        ('{"schema": 1}', "lacks the fields"),
    ],
)
def test_a_damaged_line_is_named(tmp_path, line, message):
    """A line that is no record is an error that says which line and why."""
    (tmp_path / NAME).write_text(line + "\n")
    with pytest.raises(RecordError, match=message):
        read_records(tmp_path)


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ('"metrics_ci":{}', '"metrics_ci":3', r"another type than a record's: \['metrics_ci'\]"),
        ('"metrics_ci":{}', '"metrics_ci":{"a":1}', "metrics_ci that are no pairs"),
        ('"threads":1', '"threads":"one"', r"another type than a record's: \['threads'\]"),
        ('"warnings":[]', '"warnings":null', r"another type than a record's: \['warnings'\]"),
    ],
)
def test_a_field_of_another_type_is_refused(tmp_path, before, after, message):
    """What would fail later, in a table, is refused where it is read."""
    line = record().to_json()
    assert before in line
    (tmp_path / NAME).write_text(line.replace(before, after, 1) + "\n")
    with pytest.raises(RecordError, match=message):
        read_records(tmp_path)


def test_an_unknown_field_is_refused(tmp_path):
    """A field this program does not know is not dropped silently."""
    line = record().to_json().replace('{"schema"', '{"colour":1,"schema"')
    (tmp_path / NAME).write_text(line + "\n")
    with pytest.raises(RecordError, match=r"unknown fields \['colour'\]"):
        read_records(tmp_path)


def test_one_writer_at_a_time(tmp_path):
    """A second run into the same folder is refused while the first is under way."""
    with Journal(tmp_path).opened(), pytest.raises(RecordError, match="another run is writing"):
        with Journal(tmp_path).opened():
            pass


def test_no_folder_says_what_makes_it(tmp_path):
    """A folder without records names the command that makes one."""
    with pytest.raises(RecordError, match="no such file; `matchbench run SUITE --out"):
        read_records(tmp_path / "nowhere")


def test_an_unwritable_folder_is_named(tmp_path):
    """A file in the way of the folder is an error with its path, before anything runs."""
    (tmp_path / "file").write_text("")
    with pytest.raises(RecordError, match=r"file/out: cannot be written: Not a directory"):
        with Journal(tmp_path / "file" / "out").opened():
            pass


def test_nan_is_refused():
    """JSON has no NaN; a record with one is never written."""
    with pytest.raises(ValueError, match="Out of range float"):
        record(qps=float("nan")).to_json()


def test_the_newest_attempt_stands():
    """An earlier attempt at a trial is superseded as a whole, also when it left more records."""
    old = [record(attempt="a", search={"n": n}) for n in range(3)]
    new = [record(attempt="b", search={"n": 0})]
    other = record(trial_id="u", attempt="c")
    assert latest_attempts([*old, other, *new]) == {"t": new, "u": [other]}
