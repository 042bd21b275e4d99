"""Checkpoints: an interrupted training ends as one that ran through, or says why it cannot."""

import dataclasses
import hashlib
import os
import signal
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

from harness.errors import MethodError
from harness.interactions import HeldOut
from harness.progress import silent
from harness.testing import tiny_held_out, tiny_log
from methods.sparcode.retriever import SparCode, SparCodeParams
from methods.training import Checkpointing, checkpoint
from methods.training.checkpoint import Pace
from methods.training.fingerprint import fingerprint
from methods.two_tower.retriever import TwoTower, TwoTowerParams

METHODS = {
    "two_tower": (
        TwoTower,
        TwoTowerParams(dim=8, hidden=16, epochs=6, patience=6, batch_size=64, n_negatives=8),
    ),
    "sasrec": (
        TwoTower,
        TwoTowerParams(
            encoder="sasrec", dim=8, hidden=16, epochs=6, patience=6, batch_size=16, n_negatives=8,
        ),
    ),
    "sparcode": (
        SparCode,
        SparCodeParams(
            dim=8, hidden=16, n_codewords=8, warm_up=2, anneal=1, epochs=6, patience=6,
            batch_size=64, n_negatives=8, learning_rate=0.02, weight_decay=0.01,
        ),
    ),
}  # fmt: skip


class KilledError(Exception):
    """Stands for the end of the process."""


def fit(name, folder=None, kill_at=None, progress=silent, **changes):
    """Fit and refit a method; raise KilledError after epoch ``kill_at``, before it is kept."""
    cls, params = METHODS[name]

    def told(stage, done, total, note=""):
        progress(stage, done, total, note)
        if done == kill_at and not note.startswith("taken"):
            raise KilledError

    method = cls(dataclasses.replace(params, **changes), seed=3, progress=told)
    method.checkpoint_folder = folder
    log = tiny_log(ordered=name == "sasrec")
    method.fit(log, tiny_held_out(log))
    method.progress = progress
    method.refit(log)
    method.build()
    return method


def digest(method):
    """Return a hash of every parameter and buffer, bit by bit."""
    found = hashlib.sha256()
    for name, one in sorted(method._model.state_dict().items()):
        found.update(name.encode() + one.numpy().tobytes())
    return found.hexdigest()


@cache
def uninterrupted(name):
    method = fit(name)
    return digest(method), method.footprint()


@pytest.fixture(autouse=True)
def every_epoch(monkeypatch):
    """Write a checkpoint after each epoch, however short it was."""
    monkeypatch.setattr(checkpoint, "LEAST_S", 0.0)


@pytest.mark.parametrize(
    ("name", "epoch"),
    [
        ("two_tower", 2),
        ("two_tower", 6),
        ("sasrec", 3),
        ("sparcode", 2),
        ("sparcode", 3),
        ("sparcode", 5),
    ],
)
def test_an_interrupted_training_ends_as_one_that_ran_through(name, epoch, tmp_path):
    """Bit by bit: weights, codebooks, history; in any phase of the model, and what took over."""
    with pytest.raises(KilledError):
        fit(name, tmp_path, kill_at=epoch)
    told = []
    method = fit(name, tmp_path, progress=lambda *one: told.append(one))
    weights, footprint = uninterrupted(name)
    assert told[0] == ("train", epoch - 1, 6, "taken over from a checkpoint")
    assert [one[1] for one in told[1:3]] == [epoch, epoch + 1 if epoch < 6 else 1]
    assert digest(method) == weights
    assert method.footprint().details == footprint.details
    assert method.footprint().history == footprint.history
    assert set(method.footprint().taken_over_s) == {"fit"}
    assert footprint.taken_over_s == {}


@pytest.mark.parametrize("name", METHODS)
def test_a_training_interrupted_twice_and_one_that_was_over(name, tmp_path):
    """Twice in the fit; then fit and refit are whole, and a third start trains nothing."""
    for epoch in (3, 5):
        with pytest.raises(KilledError):
            fit(name, tmp_path, kill_at=epoch)
    weights, footprint = uninterrupted(name)
    assert digest(fit(name, tmp_path)) == weights
    told = []
    again = fit(name, tmp_path, progress=lambda *one: told.append(one))
    assert [one[3] for one in told if one[0] == "train"] == ["taken over from a checkpoint"] * 2
    assert digest(again) == weights
    assert again.footprint().history == footprint.history
    assert set(again.footprint().taken_over_s) == {"fit", "refit"}


SCRIPT = """
import pathlib, sys, time
import torch
torch.set_num_threads(1)
sys.path.insert(0, sys.argv[1])
import test_checkpoint as test
test.checkpoint.LEAST_S = 0.0

def told(stage, done, total, note=""):
    if (stage, done) == ("train", 4):
        print("fourth", flush=True)
        time.sleep(600)

for name in test.METHODS:
    try:
        test.fit(name, pathlib.Path(sys.argv[2]) / name, kill_at=3)
    except test.KilledError:
        pass
test.fit("sparcode", pathlib.Path(sys.argv[2]) / "sparcode", progress=told)
"""


def test_kill_9_loses_only_the_epoch_under_way(tmp_path):
    """One process is killed by another signal than an exception; this one ends as if it were not.

    The folders hold nothing but the last checkpoints: after two epochs, and after three.
    """
    command = [sys.executable, "-c", SCRIPT, str(Path(__file__).parent), str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"fourth\n"
        process.send_signal(signal.SIGKILL)
    for name, done in (("two_tower", 2), ("sparcode", 3)):
        files = [one.relative_to(tmp_path / name) for one in (tmp_path / name).rglob("*.*")]
        assert [str(one) for one in files] == ["fit/training.pt"]
        told = []
        method = fit(name, tmp_path / name, progress=lambda *one, told=told: told.append(one))
        assert told[0][1] == done
        assert digest(method) == uninterrupted(name)[0]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"batch_size": 32}, "batch_size = 64, expected 32"),
        ({"learning_rate": 0.5}, "learning_rate = 0.005, expected 0.5"),
        ({"dim": 16}, "tensors = "),
        ({"epochs": 7, "patience": 7}, "patience = 6, expected 7"),
    ],
)
def test_another_training_is_refused(changes, message, tmp_path):
    """The message says what differs, which file it is, and what to do."""
    with pytest.raises(KilledError):
        fit("two_tower", tmp_path, kill_at=3)
    with pytest.raises(MethodError, match=message) as raised:
        fit("two_tower", tmp_path, **changes)
    assert str(tmp_path / "fit" / "training.pt") in str(raised.value)
    assert "remove it to train from the start" in str(raised.value)


def test_other_data_are_another_training():
    """One event, one held-out item or one field value more or less is another fingerprint."""
    log, held = tiny_log(), tiny_held_out(tiny_log())
    assert fingerprint(log) == fingerprint(tiny_log())
    ids = log.events.ids.copy()
    ids[3] = (ids[3] + 1) % log.n_items
    others = [
        dataclasses.replace(log, events=dataclasses.replace(log.events, ids=ids)),
        dataclasses.replace(log, n_items=log.n_items + 1, item_fields=None),
        dataclasses.replace(log, ordered=not log.ordered),
        dataclasses.replace(log, user_fields=None),
        held,
        HeldOut(held.queries.take(np.arange(3)), held.relevant.take(np.arange(3))),
        None,
    ]
    assert len({fingerprint(one) for one in [log, *others]}) == 1 + len(others)


@pytest.mark.parametrize("damage", [b"", b"\x80\x04 not a checkpoint", "half", "code"])
def test_a_damaged_file_is_refused_by_name(damage, tmp_path):
    """Empty, other bytes, cut, or a pickle that would run code: none is read as a checkpoint."""
    at = Checkpointing(tmp_path)
    at.write({"epoch": 1, "weights": torch.arange(1000.0)}, {"seed": "1"})
    whole = at.path.read_bytes()
    if damage == "code":
        torch.save({"schema": 1, "identity": {"seed": "1"}, "state": os.getcwd}, at.path)
    else:
        at.path.write_bytes(whole[: len(whole) // 2] if damage == "half" else damage)
    with pytest.raises(MethodError, match="is no checkpoint to go on from") as raised:
        at.read({"seed": "1"})
    assert str(at.path) in str(raised.value)


def test_a_schema_of_the_future_is_refused(tmp_path):
    """The number that was found, and the one that is read."""
    at = Checkpointing(tmp_path)
    torch.save({"schema": 2, "identity": {}, "state": {}}, at.path)
    with pytest.raises(MethodError, match="has schema 2; this program reads 1"):
        at.read({})


def test_a_write_that_fails_leaves_the_checkpoint_before(tmp_path, monkeypatch):
    """The disk is full after some bytes: what was there is read, bit by bit."""
    at = Checkpointing(tmp_path / "made" / "for it")
    assert at.read({}) is None
    at.write({"weights": torch.arange(5)}, {})

    def full(state, file):
        file.write(b"some bytes")
        raise OSError("No space left on device")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(OSError, match="No space left"):
        at.write({"weights": torch.arange(6)}, {})
    assert at.read({})["weights"].tolist() == [0, 1, 2, 3, 4]


def test_checkpoints_keep_their_pace(tmp_path, monkeypatch):
    """Every second epoch and the last, and none within ten seconds of another, or of the start."""
    now = [100.0]
    monkeypatch.setattr(checkpoint.time, "monotonic", lambda: now[0])
    pace = Pace(Checkpointing(tmp_path, every_epochs=2, least_s=10.0), taken_over_s=30.0)
    written = []
    for epoch, seconds in enumerate((6, 6, 6, 1, 1, 9, 10), 1):
        now[0] += seconds
        if pace.is_due(epoch, is_last=epoch == 7):
            written.append(epoch)
    assert written == [2, 6, 7]
    assert pace.seconds == 69.0


def test_a_trial_without_a_folder_writes_nothing():
    """As a method is used outside the harness."""
    assert Checkpointing.of_phase(None, "fit") is None
