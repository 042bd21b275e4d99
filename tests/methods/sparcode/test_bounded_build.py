"""Building with upper bounds: the same lists, some blocks of items never scored."""

import dataclasses
from itertools import pairwise

import numpy as np
import pytest
import torch

from harness.errors import MethodError
from harness.interactions import Interactions
from harness.lists import Lists
from methods.interactions.choice import make_interaction
from methods.sparcode.index.bounds import bounds_of
from methods.sparcode.index.scorer import SidesScorer
from methods.sparcode.model.model import SparCodeModel
from methods.sparcode.retriever import SparCode, SparCodeParams

N_ITEMS = 700
PARAMS = SparCodeParams(dim=4, hidden=6, n_heads=2, n_codewords=6, n_nearest=2, top_per_code=20)


def built(seen, interaction, **params):
    """Return the lists of a random model whose items are in clusters, and how many were scored."""
    random = np.random.default_rng(0)
    log = Interactions(
        Lists.of([random.integers(N_ITEMS, size=6).tolist() for _ in range(60)]), N_ITEMS
    )
    method = SparCode(dataclasses.replace(PARAMS, interaction=interaction, **params), seed=1)
    torch.manual_seed(1)
    method._log, method._epochs, method._trainings = log, 0, {}
    method._model = SparCodeModel(log, method.build_params.model, "cpu").eval()
    method._model.quantised.fill_(True)
    method._model.slope.fill_(0.0)
    with torch.no_grad():
        for one in method._model.parameters():
            one.normal_(std=0.5)
        ids = method._model.items.ids.weight
        centres = 4 * torch.randn(7, ids.shape[1])
        ids.copy_(centres[torch.arange(len(ids)) % 7] + 0.02 * torch.randn(ids.shape))
    del seen[:]
    method.build()
    return method._lists.packed, sum(seen)


def scores_of(lists):
    """Return each list as place -> impact."""
    bits, entries = lists.impact_bits, lists.entries.tolist()
    pairs = [(one >> bits, one & ((1 << bits) - 1)) for one in entries]
    starts = lists.starts.tolist()
    return [dict(pairs[a:b]) for a, b in pairwise(starts)]


@pytest.fixture
def seen(monkeypatch):
    """Return a list that gets the pairs of each block that is scored."""
    pairs, score = [], SidesScorer._scores_at

    def counted(self, codes, items):
        scores = score(self, codes, items)
        pairs.append(scores.numel())
        return scores

    monkeypatch.setattr(SidesScorer, "_scores_at", counted)
    return pairs


@pytest.mark.parametrize("interaction", ["dot", "mlp"])
def test_the_lists_are_the_same_and_less_is_scored(seen, interaction):
    """Seven clusters of a hundred items, lists of 20: at least a quarter of the pairs is left."""
    whole, all_pairs = built(seen, interaction)
    lists, pairs = built(seen, interaction, bounds=True)
    for one, other in zip(scores_of(lists), scores_of(whole), strict=True):
        assert one.keys() == other.keys()
        assert all(abs(one[place] - other[place]) <= 1 for place in one)  # of blocks, to rounding
    np.testing.assert_allclose(lists.scale, whole.scale, rtol=1e-5)
    assert pairs < 0.75 * all_pairs


def test_what_has_no_bounds_is_refused():
    """By the parameters, with what is given; and by whoever asks for bounds."""
    with pytest.raises(ValueError, match=r"bounds = true needs .*'dot', 'mlp'.*'cross'"):
        dataclasses.replace(PARAMS, interaction="cross", bounds=True)
    with pytest.raises(MethodError, match="CrossNetwork has no bounds"):
        bounds_of(make_interaction("cross", 4, 4, 4), (), (), torch.zeros(1))
