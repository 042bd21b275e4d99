"""Codes, weights, averages, restarts and gradients, each by hand."""

import dataclasses
import itertools

import pytest
import torch

from methods.sparcode.model.kmeans import kmeans
from methods.sparcode.model.nearest import nearest_codes
from methods.sparcode.model.quantizer import Quantizer
from methods.sparcode.model.straight_through import rotated
from methods.sparcode.model.upkeep import fit_codebooks, restart_dead
from methods.sparcode.params import SparCodeParams

HARD = SparCodeParams(n_nearest=1, gradient="straight_through", codebooks="averages")


def quantizer_of(words, *, n_tokens=1, **changes):
    """Return a quantiser whose every codebook is ``words``, each used once."""
    words = torch.tensor(words)
    n_parts = changes.get("n_parts", 1)
    changes = {"dim": n_parts * words.shape[1], "n_codewords": len(words), **changes}
    made = Quantizer(n_tokens, dataclasses.replace(HARD, **changes).model)
    made.codebooks.data.copy_(words.expand_as(made.codebooks))
    made.counts.fill_(1.0)
    made.sums.copy_(made.codebooks.detach())
    return made


def test_each_part_goes_to_its_nearest_codeword():
    """Words 0, 1 and 5 on a line; a token of two parts, (0.4, 3.1), is code 0 * 3 + 2."""
    quantizer = quantizer_of([[0.0], [1.0], [5.0]], n_parts=2).eval()
    found = quantizer(torch.tensor([[[0.4, 3.1]]]))
    assert found.codes.tolist() == [[[2]]]
    assert found.vectors.tolist() == [[[[0.0, 5.0]]]]
    assert found.weights.tolist() == [[[1.0]]]
    torch.testing.assert_close(found.commitment, torch.tensor((0.4**2 + 1.9**2) / 2))


def test_the_nearest_codes_are_those_of_brute_force():
    """Of all N^M tuples the J with the smallest squared distance, nearest first."""
    torch.manual_seed(0)
    tokens, books = torch.randn(6, 2, 3, 2), torch.randn(2, 3, 4, 2)
    digits, gaps = nearest_codes(tokens, books, 5, None)
    every = torch.tensor(list(itertools.product(range(4), repeat=3)))
    for n, k in itertools.product(range(6), range(2)):
        words = books[k, torch.arange(3), every]  # (64, 3, 2)
        distance = ((tokens[n, k] - words) ** 2).sum((1, 2))
        best = distance.sort()
        torch.testing.assert_close(gaps[n, k], best.values[:5], rtol=1e-4, atol=1e-5)
        assert digits[n, k].tolist() == every[best.indices[:5]].tolist()


def test_weights_are_a_softmax_of_distances():
    """Words 0, 1, 9; the token 0.4 with temperature 1 takes the first two."""
    quantizer = quantizer_of([[0.0], [1.0], [9.0]], n_nearest=2, gradient="weights").eval()
    token = torch.tensor([[[0.4]]], requires_grad=True)
    found = quantizer(token)
    assert found.codes.tolist() == [[[0, 1]]]
    expected = torch.softmax(-torch.tensor([0.4**2, 0.6**2]), 0)
    torch.testing.assert_close(found.weights[0, 0], expected)
    found.weights[0, 0, 0].backward()
    assert token.grad.item() < 0  # further from word 0, less weight


def test_the_gradient_goes_straight_through():
    """D vectors / d tokens is the identity; the commitment pulls the token to its word."""
    quantizer = quantizer_of([[0.0], [1.0]]).eval()
    token = torch.tensor([[[0.8]]], requires_grad=True)
    quantizer(token).vectors.backward(torch.tensor([[[[3.0]]]]))
    assert token.grad.tolist() == [[[3.0]]]
    token.grad = None
    quantizer(token).commitment.backward()
    torch.testing.assert_close(token.grad, torch.tensor([[[2 * (0.8 - 1.0)]]]))


def test_the_rotated_gradient_turns_with_the_token():
    """A token along x whose code lies along y, twice as long: gradients turn back by 90 degrees."""
    token = torch.tensor([[1.0, 0.0]], requires_grad=True)
    out = rotated(token, torch.tensor([[0.0, 2.0]]))
    torch.testing.assert_close(out.detach(), torch.tensor([[0.0, 2.0]]))
    out.backward(torch.tensor([[0.0, 1.0]]))
    torch.testing.assert_close(token.grad, torch.tensor([[2.0, 0.0]]))


def test_one_step_of_the_averages_by_hand():
    """Decay 0.9, word 0 at 0 with count 1, two parts 1 and 2 are assigned to it, none to word 1.

    Count 0.9 + 0.1 * 2 = 1.1, sum 0 + 0.1 * 3 = 0.3, word 0.3 / 1.1. Word 1: both fade alike, so
    it stays where it is.
    """
    quantizer = quantizer_of([[0.0], [10.0]], decay=0.9).train()
    quantizer(torch.tensor([[[1.0]], [[2.0]]]))
    torch.testing.assert_close(quantizer.counts, torch.tensor([[[1.1, 0.9]]]))
    torch.testing.assert_close(quantizer.codebooks, torch.tensor([[[[0.3 / 1.1], [10.0]]]]))


def test_the_averages_go_on_from_the_k_means_start_by_hand():
    """Of two steps of four tokens, five are nearest to word 0 and three to word 10.

    In a step these are 2.5 and 1.5 tokens. Decay 0.9; the next step brings 1, 1, 1 and 10: counts
    0.9 * 2.5 + 0.1 * 3 = 2.55 and 1.35 + 0.1 = 1.45, sums 0.1 * 3 = 0.3 and 0.9 * 15 + 1 = 14.5. So
    word 0 moves to 0.3 / 2.55, and word 10 stays.
    """
    torch.manual_seed(0)
    quantizer = quantizer_of([[0.0], [1.0]], decay=0.9).train()
    tokens = torch.tensor([0.0, 0.0, 0.0, 0.0, 0.0, 10.0, 10.0, 10.0])[:, None, None]
    fit_codebooks(quantizer, tokens, 2)
    low = int(quantizer.codebooks.argmin())
    counts = quantizer.counts.flatten()[[low, 1 - low]]
    torch.testing.assert_close(counts, torch.tensor([2.5, 1.5]))
    quantizer(torch.tensor([[[1.0]], [[1.0]], [[1.0]], [[10.0]]]))
    counts = quantizer.counts.flatten()[[low, 1 - low]]
    torch.testing.assert_close(counts, torch.tensor([2.55, 1.45]))
    words = quantizer.codebooks.flatten()[[low, 1 - low]]
    torch.testing.assert_close(words, torch.tensor([0.3 / 2.55, 10.0]))


def test_a_steady_stream_leaves_the_start_where_it_is():
    """Steps like those of the start: counts, and so words in use and perplexity, stay."""
    torch.manual_seed(0)
    for shared in (False, True):
        quantizer = quantizer_of([[0.0], [1.0]], n_tokens=2, shared_codebooks=shared).train()
        step = torch.tensor([[[0.0], [0.0]], [[0.0], [9.0]], [[9.0], [9.0]], [[0.0], [0.0]]])
        fit_codebooks(quantizer, torch.cat([step] * 3), 3)
        before = quantizer.counts.clone(), quantizer.codebooks.clone(), quantizer.health()
        for _ in range(5):
            quantizer(step)
        torch.testing.assert_close(quantizer.counts, before[0])
        torch.testing.assert_close(quantizer.codebooks, before[1])
        assert quantizer.health() == pytest.approx(before[2], rel=1e-5)


def test_a_restarted_word_follows_like_any_other_by_hand():
    """The dead word restarts at 7 with half of the 4 tokens of a step, (2, 14); decay 0.9.

    A step with four tokens at 8 makes it count 1.8 + 0.4 = 2.2, sum 12.6 + 3.2 = 15.8.
    """
    quantizer = quantizer_of([[0.0], [10.0]], decay=0.9).train()
    quantizer.counts.copy_(torch.tensor([[[4.0, 0.0]]]))
    quantizer.sums.zero_()
    restart_dead(quantizer, torch.full((3, 1, 1), 7.0))
    quantizer(torch.full((4, 1, 1), 8.0))
    torch.testing.assert_close(quantizer.counts, torch.tensor([[[3.6, 2.2]]]))
    torch.testing.assert_close(quantizer.codebooks.flatten(), torch.tensor([0.0, 15.8 / 2.2]))


def test_averages_stand_still_in_evaluation():
    """Serving changes no codebook."""
    quantizer = quantizer_of([[0.0], [10.0]]).eval()
    quantizer(torch.tensor([[[1.0]]]))
    assert quantizer.codebooks.flatten().tolist() == [0, 10]
    assert quantizer.counts.flatten().tolist() == [1, 1]


def test_codewords_that_learn_have_a_gradient():
    """They do not follow averages, and scores move them."""
    quantizer = quantizer_of([[0.0], [10.0]], codebooks="gradient", n_nearest=2, gradient="weights")
    found = quantizer.train()(torch.tensor([[[1.0]]]))
    (found.vectors * found.weights.unsqueeze(-1)).sum().backward()
    assert quantizer.codebooks.flatten().tolist() == [0, 10]
    assert (quantizer.codebooks.grad != 0).any()


def test_a_dead_word_restarts_at_a_token():
    """Word 1 was never used: it moves to a token of the batch with an even share of the count."""
    torch.manual_seed(0)
    quantizer = quantizer_of([[0.0], [10.0]])
    quantizer.counts.copy_(torch.tensor([[[4.0, 0.0]]]))
    assert restart_dead(quantizer, torch.tensor([[[7.0]], [[7.0]]])) == 1
    assert quantizer.codebooks.flatten().tolist() == [0, 7]
    assert quantizer.counts.flatten().tolist() == [4, 2]
    assert quantizer.sums.flatten().tolist() == [0, 14]


def test_words_in_use_do_not_restart():
    """Even use of all words: nothing is dead."""
    assert restart_dead(quantizer_of([[0.0], [10.0]]), torch.zeros(3, 1, 1)) == 0


def test_k_means_finds_separate_clusters():
    """Three tight clusters, three words: each word becomes the mean of one cluster."""
    torch.manual_seed(0)
    centres = torch.tensor([[0.0, 0.0], [50.0, 0.0], [0.0, 50.0]])
    points = centres[torch.arange(60) % 3] + torch.rand(60, 2)
    words, counts = kmeans(points, 3)
    means = torch.stack([points[torch.arange(60) % 3 == one].mean(0) for one in range(3)])
    assert torch.cdist(means, words).min(dim=1).values.max() < 1e-4
    assert counts.tolist() == [20, 20, 20]


def test_k_means_in_blocks_is_k_means(monkeypatch):
    """Distances of seven points at a time give the words and counts of all at once."""
    points, found = torch.randn(100, 3, generator=torch.Generator().manual_seed(0)).double(), []
    for held in (1 << 25, 70):
        monkeypatch.setattr("methods.sparcode.model.kmeans.DISTANCES", held)
        torch.manual_seed(1)
        found.append(kmeans(points, 10))
    torch.testing.assert_close(found[0], found[1])


def test_a_residual_level_encodes_what_is_left():
    """Words 0 and 4: the token 5 is 4 at the first level, and 1 at the second, which is word 0."""
    quantizer = quantizer_of([[0.0], [4.0]], n_tokens=2, tokenizer="residual", n_heads=2).eval()
    quantizer.codebooks.data[1] = torch.tensor([[1.0], [7.0]])
    found = quantizer(torch.tensor([[[5.0]]]))
    assert found.codes.flatten().tolist() == [1, 0]
    assert found.vectors.flatten().tolist() == [4.0, 1.0]


def test_the_words_of_a_residual_level_restart_at_what_is_left():
    """Words 0 and 4 take all of 5 and 3.5; of level 1 word 0 is dead: it restarts at 1 or -0.5.

    With both words of level 0 dead they move to tokens first, and then nothing is left for level 1
    of the token that a word moved to.
    """
    torch.manual_seed(0)
    tokens = torch.tensor([[[5.0]], [[3.5]]])
    quantizer = quantizer_of([[0.0], [4.0]], n_tokens=2, tokenizer="residual", n_heads=2)
    quantizer.counts[1, 0] = torch.tensor([0.0, 6.0])
    assert restart_dead(quantizer, tokens) == 1
    assert quantizer.codebooks[0].flatten().tolist() == [0.0, 4.0]
    fresh, other = quantizer.codebooks[1].flatten().tolist()
    assert fresh in (1.0, -0.5)
    assert other == 4.0
    assert quantizer.counts[1].flatten().tolist() == [3.0, 6.0]
    assert quantizer.counts[0].flatten().tolist() == [1.0, 1.0]  # nothing was assigned
    quantizer.counts.zero_()
    assert restart_dead(quantizer, tokens[:1]) == 4
    assert quantizer.codebooks.flatten().tolist() == [5.0, 5.0, 0.0, 0.0]


def test_residual_levels_start_by_k_means_of_what_is_left():
    """20, 22, 30, 32 are 21 and 31 with 1 left over, up or down: two levels leave nothing."""
    torch.manual_seed(0)
    quantizer = quantizer_of([[0.0], [1.0]], n_tokens=2, tokenizer="residual", n_heads=2).eval()
    tokens = torch.tensor([20.0, 22.0, 30.0, 32.0])[:, None, None]
    fit_codebooks(quantizer, tokens, 1)
    assert sorted(quantizer.codebooks[0].flatten().tolist()) == [21.0, 31.0]
    assert sorted(quantizer.codebooks[1].flatten().tolist()) == [-1.0, 1.0]
    torch.testing.assert_close(quantizer(tokens).vectors.sum(1)[:, 0], tokens[:, 0])


@pytest.mark.parametrize("shared", [False, True])
def test_codebooks_are_per_token_or_shared(shared):
    """Two tokens look up two codebooks, or one."""
    quantizer = quantizer_of([[0.0], [1.0]], n_tokens=2, shared_codebooks=shared).eval()
    assert quantizer.codebooks.shape[0] == (1 if shared else 2)
    if not shared:
        quantizer.codebooks[1] += 10
    found = quantizer(torch.tensor([[[0.9], [1.2 if shared else 10.1]]]))
    assert found.vectors.flatten().tolist() == ([1.0, 1.0] if shared else [1.0, 10.0])


def test_of_equal_words_the_first_stays():
    """Words 3, 1, 3, 1: only the first two are ever chosen."""
    quantizer = quantizer_of([[3.0], [1.0], [3.0], [1.0]]).double().eval()
    quantizer.retire_duplicates()
    tokens = torch.linspace(-5, 10, 50, dtype=torch.float64)[:, None, None]
    codes = quantizer(tokens).codes.flatten()
    assert codes.tolist() == [1 if token < 2 else 0 for token in tokens.flatten().tolist()]
