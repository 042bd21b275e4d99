"""What a trial saved for a moment does not stay, however the trial ended."""

from types import SimpleNamespace

from harness.record import Status
from harness.retriever import Capability
from harness.run import runner
from harness.run.ending import Ending
from harness.run.runner import RunContext, run_trials
from harness.run.saved import saved_folder
from harness.run.served import measure_served
from harness.run.trial_spec import Place


class Quiet:
    """Keeps no record and shows nothing."""

    def append(self, record):
        pass

    def trial_starts(self, number, total, spec):
        pass

    def stage(self, stage):
        pass

    def trial_ends(self, spec, ending, seconds):
        pass


def test_a_killed_trial_leaves_no_index_behind(tmp_path, monkeypatch):
    """Its folder goes, with ``saved`` itself; that of another trial stays."""
    monkeypatch.setattr(runner, "failure_record", lambda *_: None)
    mine, other = SimpleNamespace(trial_id="mine"), SimpleNamespace(trial_id="other")

    def killed(spec, place, on_stage, on_record):
        folder = saved_folder(spec, place)
        folder.mkdir(parents=True)
        (folder / "index.npy").write_bytes(b"x" * 100)
        return Ending(Status.TIMEOUT, "ran past its limit")

    monkeypatch.setattr(runner, "execute", killed)
    context = RunContext(tmp_path, None, "", "")
    run_trials([mine], context, Quiet(), Quiet())
    assert not (tmp_path / "saved").exists()
    (tmp_path / "saved" / other.trial_id).mkdir(parents=True)
    run_trials([mine], context, Quiet(), Quiet())
    assert [one.name for one in (tmp_path / "saved").iterdir()] == ["other"]


def test_a_limit_without_room_for_a_second_process_costs_a_warning(tmp_path):
    """The limit is for the method: what the harness would load beside it is left out, and said."""
    spec = SimpleNamespace(trial_id="mine", memory_limit_bytes=10_000_000)
    method = SimpleNamespace(capabilities=frozenset({Capability.SAVE}))
    place = Place("attempt", tmp_path, None)
    served = measure_served(spec, method, None, place, None)
    assert set(served.memory.values()) == {None}
    (warning,) = served.warnings
    assert "memory_limit_mb = 10 leaves no room for a second process" in warning
