"""Suite files: every fault of form is found, named and reported with the others."""

import pytest

from harness.errors import SuiteError
from harness.run.suite import find_suite, read_suite, shipped_suites

GOOD = """
name = "tiny"
question = "Does it read?"
dataset = "checkerboard"
split = { kind = "random_per_user" }
metrics = ["recall@5"]
[[case]]
method = "popularity"
[[case]]
name = "again"
method = "popularity"
search = { depth = [1, 2] }
"""


def suite(tmp_path, text):
    path = tmp_path / "tiny.toml"
    path.write_text(text)
    return path


def test_a_good_file_reads(tmp_path):
    """A case is named after its method unless it says otherwise; defaults are filled in."""
    read = read_suite(suite(tmp_path, GOOD))
    assert [case.name for case in read.cases] == ["popularity", "again"]
    assert (read.devices, read.seeds, read.threads, read.refit) == (("cpu",), (0,), (1,), True)


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("name =", "nam =", r"unknown key 'nam'; did you mean 'name'"),
        ("question", "# question", "the key 'question' is missing"),
        ('["recall@5"]', '"recall@5"', "metrics = 'recall@5' has the wrong type; expected list"),
        ('["recall@5"]', "[5]", "expected at least one str"),
        ('["recall@5"]', "[]", "expected at least one str"),
        ("search =", "serach =", "case 2: unknown key 'serach'; did you mean 'search'"),
        ("search = { depth = [1, 2] }", "search = [1]", "expected at least one dict"),
        ("search = { depth = [1, 2] }", "search = 1", "wrong type; expected dict or list"),
        ('method = "popularity"\n[[', "[[", "case 1: the key 'method' is missing"),
        ('name = "again"', "", "case name 'popularity' is given 2 times"),
        ("metrics =", 'devices = ["gpu"]\nmetrics =', "unknown device 'gpu'; did you mean 'cpu'"),
        ("metrics =", "threads = 0\nmetrics =", "threads = 0 must be above 0"),
        ("metrics =", "threads = [1, 0]\nmetrics =", "threads = 0 must be above 0"),
        ("metrics =", "memory_limit_mb = 0\nmetrics =", "memory_limit_mb = 0 must be above 0"),
        ("metrics =", "threads = true\nmetrics =", "threads = True has the wrong type"),
        ("{ kind", "{{ kind", "is not TOML"),
    ],
)
def test_faults_of_form(tmp_path, before, after, message):
    """Each fault is named with the file, what was given and what was expected."""
    path = suite(tmp_path, GOOD.replace(before, after, 1))
    with pytest.raises(SuiteError, match=message) as caught:
        read_suite(path)
    assert str(path) in str(caught.value)


def test_all_faults_are_reported_together(tmp_path):
    """Two faults, two lines: nobody mends a file one error at a time."""
    text = GOOD.replace("question", "# question").replace("dataset =", "datset =")
    with pytest.raises(SuiteError) as caught:
        read_suite(suite(tmp_path, text))
    assert len(str(caught.value).splitlines()) == 3  # unknown datset, missing dataset and question


def test_a_suite_is_found_by_path_or_name(tmp_path):
    """A path wins; a name is looked up among shipped suites; a miss offers near names."""
    path = suite(tmp_path, GOOD)
    assert find_suite(str(path), []) == path
    assert find_suite("tiny", [tmp_path]) == path
    with pytest.raises(SuiteError, match=r"no suite 'tinny'.*did you mean 'tiny'"):
        find_suite("tinny", [tmp_path])


def test_a_suite_in_a_folder_has_the_folder_in_its_name(tmp_path):
    """Found and listed by that name; a file of published figures beside it is no suite."""
    (tmp_path / "known").mkdir()
    path = suite(tmp_path / "known", GOOD)
    (tmp_path / "known" / "tiny.published.toml").write_text("")
    assert shipped_suites([tmp_path]) == {"known/tiny": path}
    assert find_suite("known/tiny", [tmp_path]) == path
    with pytest.raises(SuiteError, match="did you mean 'known/tiny'"):
        find_suite("known/tinny", [tmp_path])
