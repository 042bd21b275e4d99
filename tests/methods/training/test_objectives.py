"""Every loss with every source of negatives trains, alike after an interruption, or is refused."""

import dataclasses
import hashlib
import itertools

import numpy as np
import pytest
import torch

from harness.interactions import Interactions
from harness.lists import Lists
from harness.progress import silent
from harness.testing import tiny_held_out, tiny_log
from methods.all_to_all.model import AllToAllModel
from methods.all_to_all.retriever import AllToAllParams
from methods.batches import epoch_batches
from methods.interactions.choice import INTERACTIONS
from methods.late_interaction.maxsim_retriever import MaxSim
from methods.late_interaction.poly_retriever import PolyEncoder
from methods.learned_similarity.retriever import MoL
from methods.matrix_factorisation.retriever import BPR, LightGCN, SimpleX
from methods.multi_interest.retriever import MultiInterest
from methods.negatives import NegativeSampler, Sampling
from methods.sparcode.retriever import SparCode, SparCodeParams
from methods.training import TrainingParams, checkpoint
from methods.training.training import Training
from methods.two_tower.retriever import TwoTower, TwoTowerParams
from methods.two_tower.towers import TwoTowerModel

SMALL = {"dim": 8, "epochs": 4, "patience": 4, "batch_size": 64, "learning_rate": 0.02}
TOWERS = {**SMALL, "hidden": 8, "n_negatives": 8}
CASES = {
    "full_softmax": (TwoTower, {**TOWERS, "loss": "full_softmax"}),
    "popularity": (
        TwoTower, {**TOWERS, "negatives": "popularity", "popularity_exponent": 0.5},
    ),
    "in_batch": (TwoTower, {**TOWERS, "negatives": "in_batch", "mask_seen": True}),
    "uniform_in_batch": (TwoTower, {**TOWERS, "negatives": "uniform_in_batch"}),
    "own_softmax": (TwoTower, {**TOWERS, "own_negatives": True}),
    "bce": (TwoTower, {**TOWERS, "loss": "bce", "own_negatives": True, "mask_seen": True}),
    "gbce": (TwoTower, {**TOWERS, "loss": "gbce", "negatives": "uniform"}),
    "bpr": (TwoTower, {**TOWERS, "loss": "bpr", "negatives": "uniform"}),
    "ccl": (
        TwoTower,
        {**TOWERS, "loss": "ccl", "similarity": "cosine", "ccl_margin": 0.3, "ccl_weight": 2.0},
    ),
    "sparcode_gbce": (
        SparCode,
        {**TOWERS, "loss": "gbce", "n_codewords": 8, "warm_up": 1, "anneal": 1},
    ),
    "multi_interest": (MultiInterest, {**TOWERS, "own_negatives": True, "n_interests": 2}),
    "mind": (MultiInterest, {**TOWERS, "routing": "mind", "n_interests": 2, "loss": "bpr"}),
    "mixture_of_logits": (MoL, {**TOWERS, "component_dim": 4}),
    "maxsim": (MaxSim, {**TOWERS, "token_dim": 8, "loss": "full_softmax"}),
    "poly_encoder": (PolyEncoder, {**TOWERS, "n_codes": 3, "own_negatives": True, "loss": "bpr"}),
    "mf_bpr": (BPR, SMALL),
    "simplex": (SimpleX, {**SMALL, "ccl_margin": 0.3, "ccl_weight": 2.0}),
    "light_gcn": (LightGCN, SMALL),
    "light_gcn_bfloat16": (LightGCN, {**SMALL, "precision": "bfloat16"}),
}  # fmt: skip


class KilledError(Exception):
    """Stands for the end of the process."""


def fit(name, folder=None, kill_at=None):
    """Fit; raise KilledError after epoch ``kill_at``, before it is kept."""
    cls, given = CASES[name]

    def told(stage, done, total, note=""):
        if done == kill_at and not note.startswith("taken"):
            raise KilledError

    method = cls(cls.BuildParams(**given), seed=3, progress=told)
    method.checkpoint_folder = folder
    log = tiny_log()
    method.fit(log, tiny_held_out(log))
    return method


def digest(method):
    """Return a hash of every parameter and buffer, bit by bit."""
    found = hashlib.sha256()
    for name, one in sorted(method._model.state_dict().items()):
        found.update(name.encode() + one.numpy().tobytes())
    return found.hexdigest()


@pytest.mark.parametrize("name", CASES)
def test_it_learns_and_an_interruption_changes_nothing(name, tmp_path, monkeypatch):
    """The loss falls; killed in the third epoch and begun again: the same weights, bit by bit."""
    monkeypatch.setattr(checkpoint, "LEAST_S", 0.0)
    whole = fit(name)
    losses = [one["loss"] for one in whole._trainings["fit"].history]
    if name != "sparcode_gbce":  # whose loss changes its form from phase to phase
        assert losses[-1] < losses[0]
    with pytest.raises(KilledError):
        fit(name, tmp_path, kill_at=3)
    resumed = fit(name, tmp_path)
    assert resumed._trainings["fit"].taken_over_s > 0
    assert digest(resumed) == digest(whole)
    assert resumed._trainings["fit"].history == whole._trainings["fit"].history


@pytest.mark.parametrize("make", ["two_tower", *INTERACTIONS])
def test_own_negatives_have_the_scores_of_the_catalogue(make):
    """Two towers and any interaction: entry (i, j) is example i's score of its item j."""
    train = tiny_log()
    torch.manual_seed(0)
    if make == "two_tower":
        model = TwoTowerModel(train, 8, 16, "cpu", similarity="cosine").eval()
    else:
        model = AllToAllModel(train, 8, 16, make, "cpu").eval()
    random = np.random.default_rng(0)
    batch = next(epoch_batches(train, 32, 5, random))
    negatives = NegativeSampler(train, Sampling(6, own=True), random).draw(batch.targets)
    with torch.no_grad():
        _, negative, _ = model.batch_scores(batch, negatives)
        scores = model.all_scores(batch)
    wanted = scores[np.arange(32)[:, None], negatives.items]
    torch.testing.assert_close(negative, wanted, rtol=1e-4, atol=1e-5)
    if make == "two_tower":
        assert (scores.abs() <= 1 + 1e-6).all()


def test_cosines_are_served():
    """Encoded queries and indexed items have length 1: what is searched is what was trained."""
    method = fit("ccl")
    method.build()
    encoded = method.encode(tiny_held_out(tiny_log()).queries)
    for vectors in (encoded, method._index.vectors()):
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)


def test_the_unquantised_loss_of_sparcode_is_the_one_asked_for():
    """Its part of the loss moves with the loss's numbers, all else equal."""
    train, extras = tiny_log(), []
    for t in (0.0, 1.0):
        cls, given = CASES["sparcode_gbce"]
        params = cls.BuildParams(**given)
        method = cls(dataclasses.replace(params, gbce_t=t, epochs=3), seed=3)
        method.fit(train)
        model = method._model.eval()
        random = np.random.default_rng(0)
        batch = next(epoch_batches(train, 32, 5, random))
        drawn = NegativeSampler(train, 8, random).draw(batch.targets)
        for power in (0.0, 1.0):
            model.ranking_loss = dataclasses.replace(params, gbce_t=power).ranking_loss(30)
            extras.append(float(model.batch_scores(batch, drawn)[2].detach()))
    assert extras[0] > extras[1] > 0
    assert extras[2] > extras[3] > 0


@pytest.mark.parametrize(
    ("cls", "given", "message"),
    [
        (TwoTowerParams, {"loss": "ccl"}, "loss = 'ccl' needs scores that are cosines"),
        (AllToAllParams, {"loss": "ccl"}, "those of all_to_all are not"),
        (SparCodeParams, {"loss": "ccl"}, "those of sparcode are not"),
        (SparCodeParams, {"own_negatives": True}, "sparcode scores negatives that a batch shares"),
        (
            TwoTowerParams,
            {"own_negatives": True, "negatives": "in_batch"},
            "own_negatives draws from the catalogue; negatives = 'in_batch'",
        ),
        (
            TwoTowerParams,
            {"own_negatives": True, "loss": "full_softmax"},
            "own_negatives needs a loss that samples",
        ),
        (TwoTowerParams, {"popularity_exponent": -0.5}, "popularity_exponent = -0.5 must be at"),
        (TwoTowerParams, {"gbce_t": 1.5}, "gbce_t = 1.5 must lie in 0..1"),
        (TwoTowerParams, {"ccl_margin": 2.0}, "ccl_margin = 2.0 must lie in -1..1"),
        (TwoTowerParams, {"ccl_weight": 0.0}, "ccl_weight = 0.0 must be above 0"),
        (TwoTowerParams, {"loss_temperature": 0.0}, "loss_temperature = 0.0 must be above 0"),
    ],
)
def test_what_cannot_be_trained_is_refused(cls, given, message):
    """Before any work, with the name, what was given and why."""
    with pytest.raises(ValueError, match=message):
        cls(**given)


def test_the_bounds_may_be_reached():
    """Zero where zero means something."""
    TrainingParams(popularity_exponent=0.0, gbce_t=0.0, ccl_margin=0.0).check_positive()
    TrainingParams(own_negatives=True, mask_seen=True).check_positive()


@pytest.mark.parametrize("mask_seen", [False, True])
@pytest.mark.parametrize("windows", ["last", "all"])
@pytest.mark.parametrize(("kind", "n_uniform"), [("in_batch", 0), ("uniform_in_batch", 8)])
def test_negatives_of_sequences_are_the_targets_of_other_sequences(
    windows, kind, n_uniform, mask_seen
):
    """A step's log-Q and what it leaves out, each by hand; what is seen is left out beside.

    Item 0 begins most histories, and is a target only where it does not. Each of 16 users gives a
    window of 4 targets with ``last``, two with ``all``: S windows, 4 a batch. An item that is c of
    an epoch's targets is expected c * 3 / (S - 1) times among the targets of the 3 other windows of
    a batch, and n_uniform / 40 times among the uniform draws.
    """
    random = np.random.default_rng(0)
    lists = [random.permutation(np.arange(1, 40))[:9].tolist() for _ in range(16)]
    for user, one in enumerate(lists):
        one[0 if user else 7] = 0
    train = Interactions(Lists.of(lists), 40, ordered=True)
    params = TwoTowerParams(
        **SMALL | {"epochs": 1, "batch_size": 4},
        encoder="sasrec",
        max_history=4,
        windows=windows,
        negatives=kind,
        n_negatives=max(n_uniform, 1),
        mask_seen=mask_seen,
    )
    model = TwoTowerModel(train, params.dim, params.hidden, "cpu", params)
    stood, expected, n_seen = np.zeros(40), {}, []

    def told(batch, negatives):
        n_seen.append(len(batch.targets))
        stood[:] += np.bincount(batch.targets, minlength=40)
        times = np.exp(negatives.log_expected.numpy()[n_uniform:])
        expected.update(zip(batch.targets.tolist(), times.tolist(), strict=True))
        assert negatives.items[n_uniform:].tolist() == batch.targets.tolist()
        windows_of = batch.history.rows[batch.positions]
        left_out = set()
        for row, column in itertools.product(range(16), range(n_uniform + 16)):
            item = negatives.items[column]
            start, end = batch.history.indptr[windows_of[row]], batch.positions[row] + 1
            if (
                item == batch.targets[row]
                or (column >= n_uniform and windows_of[row] == windows_of[column - n_uniform])
                or (mask_seen and item in batch.history.ids[start:end])
            ):
                left_out.add((row, column))
        assert (np.diff(negatives.excluded_rows) >= 0).all()
        pairs = (negatives.excluded_rows.tolist(), negatives.excluded_columns.tolist())
        assert set(zip(*pairs, strict=True)) == left_out
        return TwoTowerModel.batch_scores(model, batch, negatives)

    model.batch_scores, model.batch_vectors = told, lambda *_: None
    Training(model, train, params, 3, 1).run_epoch(None, silent)
    n_windows = 16 if windows == "last" else 32
    assert n_seen == [16] * (n_windows // 4)
    assert stood[0] == 1
    for item, times in expected.items():
        by_hand = n_uniform / 40 + stood[item] * 3 / (n_windows - 1)
        assert times == pytest.approx(by_hand, rel=1e-5)
