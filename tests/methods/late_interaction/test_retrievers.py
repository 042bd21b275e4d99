"""MaxSim and PolyEncoder: what is trained is what is searched, ties, candidates, work, bytes."""

import copy

import numpy as np
import pytest
import torch

from harness.errors import MethodError
from harness.interactions import Interactions
from harness.lists import Lists
from harness.testing import tiny_held_out, tiny_log
from harness.topk import select_top_k
from methods import exhaustive
from methods.batches import epoch_batches
from methods.late_interaction.maxsim_model import MaxSimModel
from methods.late_interaction.maxsim_params import MaxSimParams, MaxSimSearch
from methods.late_interaction.maxsim_retriever import MaxSim
from methods.late_interaction.poly_model import PolyEncoderModel
from methods.late_interaction.poly_params import PolyEncoderParams, PolyEncoderSearch
from methods.late_interaction.poly_retriever import PolyEncoder
from methods.negatives import NegativeSampler, Sampling

SMALL = {"dim": 8, "hidden": 16, "epochs": 4, "batch_size": 64, "n_negatives": 8}
TOKENS = {**SMALL, "token_dim": 4, "query_tokens": 3}
MODELS = {
    "maxsim": (MaxSimModel, MaxSimParams, TOKENS),
    "cosine": (MaxSimModel, MaxSimParams, {**TOKENS, "similarity": "cosine"}),
    "one_token": (MaxSimModel, MaxSimParams, {**TOKENS, "id_tokens": 1}),
    "poly": (PolyEncoderModel, PolyEncoderParams, {**SMALL, "n_codes": 3}),
    "one_code": (PolyEncoderModel, PolyEncoderParams, {**SMALL, "n_codes": 1}),
}
ITEMS = np.arange(30)


def model_of(name, train):
    cls, params, given = MODELS[name]
    torch.manual_seed(0)
    return cls(train, params(**given), "cpu").eval()


def drawn(train, *, own=False):
    random = np.random.default_rng(0)
    batch = next(epoch_batches(train, 16, 5, random))
    return batch, NegativeSampler(train, Sampling(8, own=own), random).draw(batch.targets)


def ids_only(log):
    return Interactions(log.events, log.n_items)


def fitted(cls, device="cpu", log=None, **given):
    small = TOKENS if cls is MaxSim else {**SMALL, "n_codes": 3}
    method = cls(cls.BuildParams(**{**small, **given}), seed=1, device=device)
    method.fit(tiny_log() if log is None else log)
    method.build()
    return method


@pytest.fixture(scope="module")
def queries():
    return tiny_held_out(tiny_log()).queries


@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("name", MODELS)
def test_what_is_trained_is_what_is_searched(name, own):
    """The same pair has the same score among targets, negatives and the whole catalogue."""
    train = tiny_log()
    model = model_of(name, train)
    batch, negatives = drawn(train, own=own)
    with torch.no_grad():
        positive, negative, _ = model.batch_scores(batch, negatives)
        scores = model.all_scores(batch)
    rows = np.arange(len(batch.targets))
    columns = negatives.items if own else np.tile(negatives.items, (len(rows), 1))
    torch.testing.assert_close(positive, scores[rows, batch.targets], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(negative, scores[rows[:, None], columns], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["one_token", "one_code"])
def test_one_vector_has_a_softmax_without_scores(name):
    """Items with one token, or queries with one code: scores are products of the vectors given."""
    train = ids_only(tiny_log())
    model = model_of(name, train)
    batch, negatives = drawn(train)
    with torch.no_grad():
        vectors = model.batch_vectors(batch, negatives)
        positive, negative, _ = model.batch_scores(batch, negatives)
    products = vectors.queries @ vectors.negatives.T
    torch.testing.assert_close(products, negative, rtol=1e-4, atol=1e-6)
    own = (vectors.queries * vectors.targets).sum(1)
    torch.testing.assert_close(own, positive, rtol=1e-4, atol=1e-6)
    several = model_of("maxsim" if name == "one_token" else "poly", train)
    assert several.batch_vectors(batch, negatives) is None


@pytest.mark.parametrize("name", MODELS)
def test_the_gradient_of_the_model_is_a_finite_difference(name):
    """Of a loss of scores, in float64, along a direction drawn for each parameter; all move."""
    train = tiny_log()
    model = model_of(name, train).double()
    batch, negatives = drawn(train)

    def loss():
        positive, negative, _ = model.batch_scores(batch, negatives)
        return (negative.logsumexp(1) - positive).sum()

    loss().backward()
    random = torch.Generator().manual_seed(1)
    for parameter_name, one in model.named_parameters():
        assert one.grad.abs().sum() > 0, parameter_name
        away = torch.randn(one.shape, generator=random, dtype=torch.float64)
        step, ends = 1e-7, []
        with torch.no_grad():
            for side in (1, -2, 1):
                one.add_(away, alpha=side * step)
                ends.append(loss())
        numeric = (ends[0] - ends[1]) / (2 * step)
        analytic = (one.grad * away).sum()
        torch.testing.assert_close(numeric, analytic, rtol=1e-4, atol=1e-5, msg=parameter_name)


@pytest.mark.parametrize("cls", [MaxSim, PolyEncoder])
@pytest.mark.parametrize("device", ["cpu", "cpu:0", pytest.param("cuda", marks=pytest.mark.gpu)])
def test_ties_and_blocks(cls, device, queries, monkeypatch):
    """Items that bring the same: the smaller id first; blocks of queries change nothing."""
    method = fitted(cls, device)
    held = "_tokens" if cls is MaxSim else "_items"
    setattr(method, held, getattr(method, held)[torch.arange(30, device=device) % 3])
    expected = select_top_k(method.score(queries, ITEMS), 13, queries.hidden)
    for scores in (1 << 24, 1, 30 * 7):
        monkeypatch.setattr(exhaustive, "BLOCK_SCORES", scores)
        found = method.search(queries, 13)
        np.testing.assert_allclose(found.scores, expected.scores, rtol=1e-5, atol=1e-6)
        if scores == 1 << 24:
            np.testing.assert_array_equal(found.ids, expected.ids)
    none = queries.take(np.zeros(0, np.int64))
    assert method.search(none, 3).ids.shape == (0, 3)


@pytest.mark.parametrize(
    ("cls", "given", "search"),
    [
        (MaxSim, {"index": "cells", "nlist": 5}, MaxSimSearch(nprobe=5, n_rescored=30)),
        (
            MaxSim,
            {"index": "cells", "nlist": 5, "similarity": "cosine"},
            MaxSimSearch(stage="plaid", nprobe=5, t_cs=-1, ndocs=120),
        ),
        (PolyEncoder, {"index": "flat"}, PolyEncoderSearch(n_candidates=30)),
        (PolyEncoder, {"index": "ivf", "nlist": 3}, PolyEncoderSearch(n_candidates=30, nprobe=3)),
        (PolyEncoder, {"index": "hnsw"}, PolyEncoderSearch(n_candidates=30, ef_search=64)),
    ],
)
def test_candidates_that_are_everything_are_exact(cls, given, search, queries, tmp_path):
    """The same model as one that scores all items; what it finds, also when loaded, is the same."""
    exact, pruned = fitted(cls, **{**given, "index": "exact"}), fitted(cls, **given)
    pruned.search_params = search
    assert exact.exact
    assert not pruned.exact
    np.testing.assert_allclose(
        pruned.score(queries, ITEMS), exact.score(queries, ITEMS), rtol=1e-4, atol=1e-5
    )
    pruned.save(tmp_path)
    loaded = cls(pruned.build_params)
    loaded.load(tmp_path)
    loaded.search_params = search
    for one in (pruned, loaded):
        found, wanted = one.search(queries, 5), exact.search(queries, 5)
        np.testing.assert_array_equal(found.ids, wanted.ids)
        np.testing.assert_allclose(found.scores, wanted.scores, rtol=1e-4, atol=1e-5)


def test_few_poly_candidates_are_those_of_the_best_products(queries):
    """Each vector's 3 best visible items, each once, and the best 2 of them by the exact score."""
    method = fitted(PolyEncoder, index="flat")
    method.search_params = PolyEncoderSearch(n_candidates=3)
    vectors, items = method._encode(queries).numpy(), method._items.numpy()
    scores, found = method.score(queries, ITEMS), method.search(queries, 2)
    n_scored = 0
    for row in range(len(queries)):
        best = select_top_k(
            vectors[row] @ items.T, 3, queries.hidden.take(np.array([row] * len(vectors[row])))
        )
        union = np.unique(best.ids)
        n_scored += len(union)
        wanted = union[np.argsort(-scores[row, union], kind="stable")[:2]]
        assert found.ids[row].tolist() == wanted.tolist()
    assert method.counters() == {"items": n_scored, "distances": 48 * 3 * 30}


def test_counters_and_bytes_by_hand(queries):
    """Tokens of 30 items without fields, two of 4 numbers; all that encodes a query."""
    log = ids_only(tiny_log())
    plain = copy.copy(queries)
    object.__setattr__(plain, "fields", None)
    method = fitted(MaxSim, log=log)
    method.search(plain, 3)
    assert method.counters() == {"items": 48 * 30}
    mixture, projection = 8 * 16 + 16 + 16 * 8 + 8, 8 * 4
    encoder = 30 * 8 + mixture + projection
    footprint = method.footprint()
    assert footprint.index_bytes == 4 * (30 * 2 * 4 + encoder)
    assert footprint.details["tokens_per_item"] == 2
    cells = fitted(MaxSim, log=log, index="cells", nlist=5)
    cells.search(plain, 3)
    index = 5 * 4 + 5 + 2 * 6  # centroids, their norms, where cells start (int64)
    held = index + 60 * 4 + 60 + 60 + 60  # vectors, their items, the items' places and codes
    assert cells.footprint().index_bytes == 4 * (held + encoder)
    assert cells.counters()["centroids"] == 48 * 4 * 5  # summary and three positions
    poly = fitted(PolyEncoder, log=log)
    assert poly.footprint().index_bytes == 4 * (30 * 8 + 30 * 8 + mixture + 3 * 8)


@pytest.mark.parametrize("cls", [MaxSim, PolyEncoder])
def test_refit_trains_as_long_as_fit_found_best(cls, queries):
    """The epochs of fit are kept, and the model depends on nothing else that fit did."""
    train, scores = tiny_log(), []
    for patience in (6, 1):
        small = TOKENS if cls is MaxSim else SMALL
        method = cls(cls.BuildParams(**small, patience=patience), seed=4)
        method.fit(train, tiny_held_out(train))
        method._epochs = 2
        method.refit(train)
        method.build()
        assert method.footprint().details["epochs"] == 2
        scores.append(method.score(queries, ITEMS))
    np.testing.assert_array_equal(*scores)


@pytest.mark.parametrize(
    ("params", "given", "message"),
    [
        (MaxSimParams, {"token_dim": 128}, "token_dim = 128 must be at most dim = 64"),
        (MaxSimParams, {"query_tokens": 0, "summary": False}, "query_tokens = 0 must be at least"),
        (MaxSimParams, {"nlist": -1}, "nlist = -1 must be at least 0"),
        (MaxSimParams, {"id_tokens": 0}, "id_tokens = 0 must be above 0"),
        (MaxSimParams, {"loss": "ccl", "similarity": "cosine"}, "those of maxsim"),
        (MaxSimSearch, {"nprobe": 0}, "nprobe = 0 must be above 0"),
        (MaxSimSearch, {"t_cs": 1.5}, "t_cs = 1.5 must lie in -1..1"),
        (PolyEncoderParams, {"n_codes": 0}, "n_codes = 0 must be above 0"),
        (PolyEncoderSearch, {"n_candidates": 0}, "n_candidates = 0 must be above 0"),
    ],
)
def test_senseless_values_are_refused(params, given, message):
    """With the name, the value and what was expected."""
    with pytest.raises(ValueError, match=message):
        params(**given)


@pytest.mark.parametrize(("cls", "index"), [(MaxSim, "cells"), (PolyEncoder, "hnsw")])
def test_candidates_are_for_the_cpu(cls, index):
    """Refused before training, with what does run there."""
    with pytest.raises(MethodError, match=f"index = '{index}' runs on the CPU, not on cuda"):
        cls(cls.BuildParams(index=index), device="cuda")


def test_an_unordered_log_is_refused_by_a_sequential_encoder():
    """As by every learned family."""
    for cls in (MaxSim, PolyEncoder):
        with pytest.raises(MethodError, match="reads a history in its order"):
            cls(cls.BuildParams(encoder="sasrec")).fit(tiny_log())


def test_a_query_with_everything_hidden():
    """Pads, and no error."""
    one = tiny_held_out(tiny_log()).queries.take(np.array([0]))
    object.__setattr__(one, "hidden", Lists.of([list(range(30))]))
    assert (fitted(MaxSim, index="cells", nlist=4).search(one, 4).ids == -1).all()
