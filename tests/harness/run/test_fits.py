"""One fit, many indexes: what differs in the index alone is fitted once, and the records say so."""

from types import SimpleNamespace

import numpy as np
import pytest

from harness.arrays import load_arrays, save_arrays
from harness.cli import main
from harness.errors import MethodError
from harness.retriever import Capability, Retriever
from harness.run import fits
from harness.run.fits import Fit, fit_folder, keep_fit, remove_fits, shares_fits, take_fit
from harness.run.plan import plan_trials
from harness.run.suite import read_suite
from harness.run.trial_spec import Place
from harness.store.journal import read_records

CASE = '[[case]]\nname = "{0}"\nmethod = "one_fit"\nbuild = {{ {1} }}\n'


def suite_of(make_suite, **builds):
    return make_suite(extra="".join(CASE.format(name, build) for name, build in builds.items()))


def test_an_index_is_chosen_after_the_fit(plugin, make_suite, tmp_path, capsys):
    """Two indexes and one fit; a later run takes it over too; another depth or --force fits.

    What was learned is a number that each fit draws anew: lists are equal where the fit is shared.
    """
    out = tmp_path / "out"
    first = suite_of(make_suite, flat="", other="index = 2")
    assert main(["run", str(first), "--out", str(out)]) == 0
    later = suite_of(make_suite, flat="", other="index = 2", third="index = 3", deep="depth = 2")
    assert main(["run", str(later), "--out", str(out)]) == 0
    assert plugin.read_text().split() == ["fit", "fit"]  # of depth 1, of depth 2
    flat, other, third, deep = read_records(out)
    assert [one.fitted_by for one in (flat, other, third, deep)] == [
        None,
        flat.attempt,
        flat.attempt,
        None,
    ]
    assert flat.fit_s == other.fit_s == third.fit_s == other.offline_s["fit"] > 0.05
    assert other.details["learned"] == third.details["learned"] == flat.details["learned"]
    assert deep.details["learned"] != flat.details["learned"]
    assert [one.details["index"] for one in (flat, other, third)] == [1, 2, 3]
    assert flat.peak_host_bytes > 50e6
    assert other.peak_host_bytes is None
    assert "fit" in flat.offline_peak_bytes
    assert "fit" not in other.offline_peak_bytes
    assert other.offline_peak_bytes["load_fit"] > 50e6
    told = f"the fit is that of attempt {flat.attempt}, and so are its seconds"
    assert told in other.warnings
    assert told in capsys.readouterr().out
    assert main(["run", str(later), "--out", str(out), "--methods", "third", "--force"]) == 0
    assert read_records(out)[-1].fitted_by is None


def test_an_index_that_cannot_be_built_does_not_cost_the_fit(plugin, make_suite, tmp_path):
    """The first trial fails while it builds; the next takes its fit over, and says whose it is."""
    out = tmp_path / "out"
    assert (
        main(["run", str(suite_of(make_suite, none="index = 0", one="")), "--out", str(out)]) == 1
    )
    failed, one = read_records(out)
    assert plugin.read_text().split() == ["fit"]
    assert (failed.status, "no index has the number 0" in failed.reason) == ("failed", True)
    assert one.fitted_by == failed.attempt
    assert one.fit_s > 0.05
    assert any(
        "the attempt that fitted it did not finish building" in said for said in one.warnings
    )


class Learns(Retriever):
    capabilities = frozenset({Capability.SAVE_FIT})
    index_params = frozenset({"index"})
    learned = 0.0

    def fit(self, train, validation=None):
        self.learned = 7.0

    def save_fit(self, folder):
        save_arrays(folder, "learns", {"learned": np.array([self.learned])})

    def load_fit(self, folder, train):
        self.learned, self.train = float(load_arrays(folder, "learns")[0]["learned"][0]), train

    def search(self, queries, k):
        raise AssertionError("fits are saved and taken over; nothing here is searched")


PARTS = SimpleNamespace(full_train="all of it", train="without validation")


@pytest.fixture
def spec(plugin, make_suite):
    """Return the first trial of a suite."""
    return plan_trials(read_suite(suite_of(make_suite, flat="")))[0]


def changed(spec, **values):
    return type(spec)(**{**spec.to_dict(), **values})


def test_what_a_fit_depends_on(spec, tmp_path, monkeypatch):
    """Threads of searching, loads, repeats and the index are not of it; all else is."""
    place, params = Place("", tmp_path, None), frozenset({"index"})

    def where(given, data_hash="00"):
        return fit_folder(given, place, data_hash, params)

    same = [
        {"threads": 9}, {"repeat": 2}, {"k": 1}, {"loads": ()}, {"searches": ()},
        {"profile": "publish"}, {"metrics": ()}, {"suite": "x"}, {"time_limit_s": 1.0},
        {"build": {**spec.build, "index": 5}},
    ]  # fmt: skip
    other = [
        {"seed": 9}, {"fit_threads": 9}, {"device": "cuda"}, {"refit": not spec.refit},
        {"split": {}}, {"dataset_params": {}}, {"build": {**spec.build, "depth": 5}},
    ]  # fmt: skip
    assert {where(changed(spec, **one)) for one in same} == {where(spec)}
    assert len({where(spec), *(where(changed(spec, **one)) for one in other)}) == 1 + len(other)
    assert where(spec, "11") != where(spec)
    before = where(spec)
    monkeypatch.setattr(fits, "code_of", lambda method: "edited")
    assert where(spec) != before


def test_what_other_code_left_is_removed(spec, tmp_path, monkeypatch):
    """As of a checkpoint; and --force removes all."""
    place, method = Place("", tmp_path, None), Learns()
    folder = fit_folder(spec, place, "00", Learns.index_params)
    keep_fit(method, folder, Fit("first", {"fit": 1.0}))
    assert fit_folder(spec, place, "00", Learns.index_params) == folder
    assert folder.is_dir()
    monkeypatch.setattr(fits, "code_of", lambda method: "edited")
    fit_folder(spec, place, "00", Learns.index_params)
    assert not folder.exists()
    keep_fit(method, folder, Fit("first", {"fit": 1.0}))
    remove_fits(tmp_path)
    assert list(tmp_path.glob("fits")) == []


def test_a_fit_comes_back_with_its_account(spec, tmp_path):
    """The model, the seconds and the warnings; nothing where nothing was kept."""
    method, other = Learns(), Learns()
    method.fit(None)
    assert take_fit(other, tmp_path / "one", spec, PARTS) is None
    fit = Fit("first", {"fit": 1.5, "refit": 0.5}, ("it was interrupted",))
    for _ in range(2):  # again, over what an attempt that was killed may have left
        keep_fit(method, tmp_path / "one", fit)
    assert take_fit(other, tmp_path / "one", spec, PARTS) == fit
    assert (other.learned, other.train) == (7.0, PARTS.full_train)
    assert fit.told()[1:] == ("it was interrupted",)
    assert [path.name for path in tmp_path.iterdir() if "partial" in path.name] == []


def test_a_damaged_fit_is_refused_by_name(spec, tmp_path):
    """It is not taken for a model."""
    keep_fit(Learns(), tmp_path / "one", Fit("first", {"fit": 1.0}))
    path = tmp_path / "one" / "model" / "learned.npy"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(MethodError, match=r"learned\.npy"):
        take_fit(Learns(), tmp_path / "one", spec, PARTS)


def test_noise_fits_each_time(spec):
    """Where the spread of fitting is measured nothing is shared; nor where a method cannot."""
    assert shares_fits(spec, Learns())
    assert not shares_fits(changed(spec, pairs=2), Learns())
    bare = SimpleNamespace(capabilities=frozenset())
    assert not shares_fits(spec, bare)
