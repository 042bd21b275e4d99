"""Bad input: one clear message, exit status 2, no traceback, and nothing is lost."""

import gzip

import pytest

from harness.cli import main

SUITE = """
name = "tiny"
question = "What is wrong here?"
dataset = "checkerboard"
split = { kind = "random_per_user", test = 0.3, validation = 0.2 }
metrics = ["recall@3"]
load = [{ kind = "single_stream", queries = 20 }]
[[case]]
method = "popularity"
"""


@pytest.fixture
def run(tmp_path, capsys):
    """Return a function that runs a suite text and gives status and message."""

    def call(text, *more):
        path = tmp_path / "tiny.toml"
        path.write_text(text)
        status = main(["run", str(path), "--out", str(tmp_path / "out"), *more])
        captured = capsys.readouterr()
        assert "Traceback" not in captured.err
        return status, captured.err

    return call


def test_unknown_suite(capsys):
    """A suite that is neither file nor name offers near ones."""
    assert main(["run", "quikstart"]) == 2
    assert "no suite 'quikstart'" in (message := capsys.readouterr().err)
    assert "did you mean 'quickstart'?" in message


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        (
            '"popularity"',
            '"popularty"',
            "did you mean 'popularity' or 'recent_popularity' or 'cluster_popularity'?",
        ),
        ('"recall@3"', '"recal@3"', "did you mean 'recall'"),
        ('"recall@3"', '"recall@0"', "recall@0"),
        ('"recall@3"', '"recall@9999"', "k = 9999 exceeds the catalogue of"),
        ('"checkerboard"', '"chekerboard"', "did you mean 'checkerboard'?"),
        *[
            ('"popularity"', f'"{method}"\nbuild = {{ {build} }}', message)
            for method, build, message in [
                ("two_tower", 'index = "ivf_pq", dims_per_block = 3', "must divide the 64 dim"),
                ("two_tower", 'index = "ivf", nlist = 4000', "nlist = 4000 exceeds the catalogue"),
                ("two_tower", 'index = "scann", leaves = 99', "leaves = 99 exceeds the catalogue"),
                ("two_tower", 'index = "ivf_pq", nlist = 4', "asks for 256 codewords a block"),
                ("multi_interest", 'index = "ivf", nlist = 99', "nlist = 99 exceeds the catalogue"),
                ("poly_encoder", 'index = "ivf", nlist = 99', "nlist = 99 exceeds the catalogue"),
                ("maxsim", 'index = "cells", nlist = 4000', "nlist = 4000 exceeds the"),
            ]
        ],
        ('"random_per_user"', '"random"', "unknown kind of split 'random'"),
        ("queries = 20", "querys = 20", "unknown parameter 'querys'; did you mean 'queries'?"),
        (
            'method = "popularity"',
            'method = "item_knn"\nbuild = { n_neigbours = 3 }',
            "unknown parameter 'n_neigbours'; did you mean 'n_neighbours'",
        ),
        ("test = 0.3", "test = 1.3", "test = 1.3 must lie between 0 and 1"),
        ("[[case]]", "dataset_params = { n_usrs = 3 }\n[[case]]", "unknown parameter 'n_usrs'"),
        ('"popularity"', '"two_tower"\nbuild = { dim = [] }', "build: dim = [] names no value"),
        ('"popularity"', '"sparcode"\nsearch = { scoring = [] }', "scoring = [] names no value"),
        ('"tiny"', f'"{"x" * 300}"', "must be 1 to 100 letters"),
        ('"tiny"', '".."', "name = '..' must be 1 to 100 letters"),
        ('"tiny"', '""', "name = '' must be 1 to 100 letters"),
        ("[[case]]", "time_limit_s = nan\n[[case]]", "time_limit_s = nan must be above 0"),
        ("[[case]]", 'profile = "quick"\n[[case]]', "unknown profile 'quick'"),
        (
            '"checkerboard"',
            '"planted_crosses"\ndataset_params = { n_users = 0 }',
            "n_users = 0 must be positive",
        ),
    ],
)
def test_faults_of_a_suite(run, before, after, message):
    """Unknown names and impossible values are refused before anything runs."""
    status, said = run(SUITE.replace(before, after, 1))
    assert status == 2
    assert message in said
    assert "tiny.toml" in said


def test_faults_come_together(run):
    """An unknown method and an unknown metric are one message of two lines."""
    text = SUITE.replace('"popularity"', '"popularty"').replace('"recall@3"', '"recal@3"')
    status, said = run(text)
    assert status == 2
    assert len(said.strip().splitlines()) == 2


def test_faults_of_every_kind_come_together(run):
    """A key, a type, a device, a method and a metric: five faults, five lines."""
    text = SUITE.replace('"popularity"', '"popularty"').replace('"recall@3"', '"recal@3"')
    status, said = run('foo = 1\nthreads = "two"\ndevices = ["gpu"]\n' + text)
    assert status == 2
    assert len(said.strip().splitlines()) == 5


def test_no_case_matches(run):
    """A glob that fits no case is a fault, not an empty table."""
    status, said = run(SUITE, "--methods", "populrity")
    assert status == 2
    assert "no case matches 'populrity'; did you mean 'popularity'?" in said


def test_unwritable_output(tmp_path, capsys):
    """An output folder that cannot be made is named before anything runs."""
    (tmp_path / "tiny.toml").write_text(SUITE)
    (tmp_path / "file").write_text("")
    assert main(["run", str(tmp_path / "tiny.toml"), "--out", str(tmp_path / "file")]) == 2
    assert "cannot be written" in capsys.readouterr().err


def test_table_of_a_cut_journal(run, tmp_path, capsys):
    """`table` refuses a cut last line and says what mends it; `run` mends it and loses nothing."""
    assert run(SUITE)[0] == 0
    journal = tmp_path / "out" / "records.jsonl"
    whole = journal.read_bytes()
    journal.write_bytes(whole + whole[:50])
    assert main(["table", str(tmp_path / "out")]) == 2
    assert "line 2 was cut after 50 bytes" in capsys.readouterr().err
    status, said = run(SUITE)
    assert status == 0
    assert "was cut; it now lies in" in said
    assert journal.read_bytes() == whole


def test_table_without_records(tmp_path, capsys):
    """An empty folder is told from an empty table."""
    assert main(["table", str(tmp_path)]) == 2
    assert "no such file" in capsys.readouterr().err


def test_table_of_an_empty_journal(tmp_path, capsys):
    """A run that was stopped before its first record left none, and the table says so."""
    (tmp_path / "records.jsonl").touch()
    assert main(["table", str(tmp_path)]) == 0
    assert f"no records in {tmp_path} yet" in capsys.readouterr().err


GIVEN = SUITE.replace('"checkerboard"', '"amazonelectronics_m1"').replace(
    '{ kind = "random_per_user", test = 0.3, validation = 0.2 }', '{ kind = "given" }'
)


@pytest.mark.parametrize(
    ("train", "test", "message"),
    [
        (None, None, "train.txt"),
        (b"", b"0 1\n", "train.txt"),
        (b"0 1 x\n", b"0 2\n", "train.txt"),
        (gzip.compress(b"0 1 2 3\n" * 500)[:-12], b"0 2\n", "train.txt.gz"),
        (b"0 1 2\n", b"0 3\n", "expected Counts(users=1435"),
    ],
    ids=["missing", "empty", "not a number", "truncated archive", "wrong counts"],
)
def test_bad_data_files(run, tmp_path, train, test, message):
    """A data file that is missing, empty, damaged or not the right one is named."""
    folder = tmp_path / "data" / "amazonelectronics_m1"
    folder.mkdir(parents=True)
    if train is not None:
        gz = ".gz" if train[:2] == b"\x1f\x8b" else ""
        (folder / f"train.txt{gz}").write_bytes(train)
        (folder / "test.txt").write_bytes(test)
    status, said = run(GIVEN, "--data-root", str(tmp_path / "data"))
    assert status == 2
    assert message in said
