"""Codes, averages, restarts and k-means, each by hand."""

import torch

from methods.sparcode.model.quantizer import ProductQuantizer


def quantizer_of(words, *, n_tokens=1, n_parts=1, decay=0.9):
    """Return a quantiser whose every codebook is ``words``, each used once."""
    words = torch.tensor(words)
    made = ProductQuantizer(n_tokens, n_parts * words.shape[1], n_parts, len(words), decay)
    made.codebooks.copy_(words.expand_as(made.codebooks))
    made.counts.fill_(1.0)
    made.sums.copy_(made.codebooks)
    return made


def test_each_part_goes_to_its_nearest_codeword():
    """Words 0, 1 and 5 on a line; a token of two parts, (0.4, 3.1), is code (0, 2)."""
    quantizer = quantizer_of([[0.0], [1.0], [5.0]], n_parts=2).eval()
    found = quantizer(torch.tensor([[[0.4, 3.1]]]))
    assert found.codes.tolist() == [[[0, 2]]]
    assert found.vectors.tolist() == [[[0.0, 5.0]]]
    torch.testing.assert_close(found.commitment, torch.tensor((0.4**2 + 1.9**2) / 2))


def test_distance_is_squared_l2_not_the_inner_product():
    """The longest word has the largest inner product with everything, and is not the nearest."""
    quantizer = quantizer_of([[1.0, 1.0], [100.0, 100.0]])
    assert quantizer.nearest(torch.tensor([[[[1.5, 1.0]]]])).tolist() == [[[0]]]


def test_the_gradient_goes_straight_through():
    """D vectors / d tokens is the identity; the commitment pulls the token to its word."""
    quantizer = quantizer_of([[0.0], [1.0]]).eval()
    token = torch.tensor([[[0.8]]], requires_grad=True)
    found = quantizer(token)
    found.vectors.backward(torch.tensor([[[3.0]]]))
    assert token.grad.tolist() == [[[3.0]]]
    token.grad = None
    quantizer(token).commitment.backward()
    torch.testing.assert_close(token.grad, torch.tensor([[[2 * (0.8 - 1.0)]]]))


def test_one_step_of_the_averages_by_hand():
    """Decay 0.9, word 0 at 0 with count 1, two parts 1 and 2 are assigned to it, none to word 1.

    Count 0.9 + 0.1 * 2 = 1.1, sum 0 + 0.1 * 3 = 0.3, word 0.3 / 1.1. Word 1: both fade alike, so
    it stays where it is.
    """
    quantizer = quantizer_of([[0.0], [10.0]]).train()
    quantizer(torch.tensor([[[1.0]], [[2.0]]]))
    torch.testing.assert_close(quantizer.counts, torch.tensor([[[1.1, 0.9]]]))
    torch.testing.assert_close(quantizer.codebooks, torch.tensor([[[[0.3 / 1.1], [10.0]]]]))


def test_averages_stand_still_in_evaluation():
    """Serving changes no codebook."""
    quantizer = quantizer_of([[0.0], [10.0]]).eval()
    quantizer(torch.tensor([[[1.0]]]))
    assert quantizer.codebooks.flatten().tolist() == [0, 10]
    assert quantizer.counts.flatten().tolist() == [1, 1]


def test_a_dead_word_restarts_at_a_token():
    """Word 1 was never used: it moves to a token of the batch with an even share of the count."""
    torch.manual_seed(0)
    quantizer = quantizer_of([[0.0], [10.0]])
    quantizer.counts.copy_(torch.tensor([[[4.0, 0.0]]]))
    assert quantizer.restart_dead(torch.tensor([[[7.0]], [[7.0]]])) == 1
    assert quantizer.codebooks.flatten().tolist() == [0, 7]
    assert quantizer.counts.flatten().tolist() == [4, 2]
    assert quantizer.sums.flatten().tolist() == [0, 14]


def test_words_in_use_do_not_restart():
    """Even use of all words: nothing is dead."""
    assert quantizer_of([[0.0], [10.0]]).restart_dead(torch.zeros(3, 1, 1)) == 0


def test_k_means_finds_separate_clusters():
    """Three tight clusters a part, three words: each word becomes the mean of one cluster."""
    torch.manual_seed(0)
    centres = torch.tensor([[0.0, 0.0], [50.0, 0.0], [0.0, 50.0]])
    tokens = centres[torch.arange(60) % 3] + torch.rand(60, 2)
    quantizer = ProductQuantizer(1, 2, 1, 3, 0.99)
    quantizer.fit_codebooks(tokens[:, None])
    found = quantizer.codebooks[0, 0]
    means = torch.stack([tokens[torch.arange(60) % 3 == one].mean(0) for one in range(3)])
    assert torch.cdist(means, found).min(dim=1).values.max() < 1e-4
    torch.testing.assert_close(quantizer.counts.sum(), torch.tensor(1.0))


def test_codes_of_tokens_and_parts_have_numbers_of_their_own():
    """N = 3, M = 2: token k with digits (a, b) is k * 9 + 3 a + b; all differ."""
    quantizer = quantizer_of([[0.0], [1.0], [2.0]], n_tokens=2, n_parts=2)
    codes = torch.tensor([[[a, b], [a, b]] for a in range(3) for b in range(3)])
    numbers = quantizer.composite(codes)
    assert numbers.T.tolist() == [list(range(9)), list(range(9, 18))]


def test_each_token_has_its_own_codebooks():
    """Tokens of different heads look up different codebooks, in one call."""
    quantizer = quantizer_of([[0.0], [1.0]], n_tokens=2).eval()
    quantizer.codebooks[1] += 10
    assert quantizer(torch.tensor([[[0.9], [10.1]]])).vectors.tolist() == [[[1.0], [10.0]]]


def test_of_equal_words_the_first_stays():
    """Words 3, 1, 3, 1: only the first two are ever chosen."""
    quantizer = quantizer_of([[3.0], [1.0], [3.0], [1.0]]).double()
    quantizer.retire_duplicates()
    tokens = torch.linspace(-5, 10, 50, dtype=torch.float64)[:, None, None]
    codes = quantizer.nearest(quantizer.split(tokens)).flatten()
    assert codes.tolist() == [1 if token < 2 else 0 for token in tokens.flatten().tolist()]
