"""Tokens of queries and items: which vectors stand where, and what is absent."""

import numpy as np
import pytest
import torch

from harness.fields import Fields, MultiValued
from harness.interactions import Interactions
from harness.lists import Lists
from harness.testing import tiny_log
from methods.batches import Batch
from methods.encoders.params import EncoderParams
from methods.late_interaction.item_tokens import ItemTokens
from methods.late_interaction.query_tokens import QueryTokens

DIM, NOTHING = 4, np.zeros(0, np.int64)


def made(schema=None, *, ordered=False, encoder="mean", n_positions=3, summary=True, **more):
    torch.manual_seed(0)
    params = EncoderParams(encoder=encoder, max_history=6, dropout=0.0, **more)
    return QueryTokens(
        schema, DIM, 8, "cpu", params, ordered=ordered, n_positions=n_positions, summary=summary
    ).eval()


def table(n=30):
    return torch.from_numpy(np.random.default_rng(0).normal(size=(n, DIM)).astype(np.float32))


def test_positions_are_the_last_items_the_last_first():
    """Histories of 5, 1 and 0 items, T = 3; before a history's first item there is no token."""
    history = Lists.of([[9, 8, 7, 6, 5], [4], []])
    items = table()
    tokens = made(summary=False).of_batch(Batch(NOTHING, history, None), items)
    assert tokens.present.tolist() == [[True] * 3, [True, False, False], [False] * 3]
    zero = torch.zeros(DIM)
    expected = [[items[5], items[6], items[7]], [items[4], zero, zero], [zero] * 3]
    assert torch.equal(tokens.vectors, torch.stack([torch.stack(row) for row in expected]))


def test_no_history_at_all():
    """A batch of empty histories has summaries, which are all alike, and nothing else."""
    tokens = made().of_batch(Batch(NOTHING, Lists.empty(2), None), table())
    assert tokens.present.tolist() == [[True, False, False, False]] * 2
    assert tokens.vectors[0, 0].abs().sum() > 0
    assert torch.equal(tokens.vectors[0], tokens.vectors[1])
    everything = made(n_positions=None).of_batch(Batch(NOTHING, Lists.empty(2), None), table())
    assert everything.vectors.shape == (2, 1, DIM)


def test_places_count_from_the_end_of_an_ordered_history():
    """The learned vector of place 0 goes to the last item; a log without order has none."""
    tokenizer = made(ordered=True, summary=False)
    with torch.no_grad():
        tokenizer.places.weight.copy_(torch.arange(3.0)[:, None].expand(3, DIM))
    items = table()
    tokens = tokenizer.of_batch(Batch(NOTHING, Lists.of([[1, 2]]), None), items)
    torch.testing.assert_close(
        tokens.vectors[0], torch.stack([items[2], items[1] + 1, items[0] * 0])
    )
    assert made(ordered=False).places is None


@pytest.mark.parametrize("encoder", ["gru4rec", "sasrec"])
def test_a_position_of_a_sequence_is_the_history_up_to_there(encoder):
    """In one pass over sequences, tokens at each position are those of the cut history."""
    tokenizer = made(ordered=True, encoder=encoder, positions="from_start")
    sequences, items = Lists.of([[3, 1, 4, 1], [5, 9]]), table()
    at = np.array([0, 2, 3, 5])
    together = tokenizer.of_batch(Batch(NOTHING, sequences, None, at), items)
    cut = Lists.of([[3], [3, 1, 4], [3, 1, 4, 1], [5, 9]])
    alone = tokenizer.of_batch(Batch(NOTHING, cut, None), items)
    assert torch.equal(together.present, alone.present)
    torch.testing.assert_close(together.vectors, alone.vectors, rtol=1e-4, atol=1e-5)


def test_a_query_field_without_ids_has_no_token():
    """Of a multi-valued field; behind the positions, in the order of the fields."""
    fields = Fields(2, {"tags": MultiValued(Lists.of([[0, 1], []]), 3)})
    tokens = made(fields.take(NOTHING)).of_batch(
        Batch(NOTHING, Lists.of([[1], [1]]), fields), table()
    )
    assert tokens.present[:, -1].tolist() == [True, False]
    assert tokens.vectors[1, -1].abs().sum() == 0


def test_item_tokens_start_as_coordinates_and_absent_ones_repeat_the_first():
    """The first token is the id's first coordinates; item 1 has no tags, item 0 has."""
    fields = Fields(2, {"tags": MultiValued(Lists.of([[0, 2], []]), 3)})
    log = Interactions(Lists.of([[0, 1]]), 2, item_fields=fields)
    torch.manual_seed(0)
    tokenizer = ItemTokens(log, 6, DIM, 2, "cpu").eval()
    tokens = tokenizer(torch.arange(2))
    assert tokens.shape == (2, 3, DIM)
    ids, tags = tokenizer.features.ids.weight, tokenizer.features.fields.weight("tags")
    torch.testing.assert_close(tokens[:, 0], ids[:, :DIM])
    torch.testing.assert_close(tokens[0, 2], (tags[0] + tags[2])[:DIM] / 2)
    assert torch.equal(tokens[1, 2], tokens[1, 0])
    assert not torch.allclose(tokens[:, 1], tokens[:, 0])


def test_gradients_reach_every_part_of_a_query():
    """Encoder, places or states, perceptron and fields all move with the tokens."""
    for encoder in ("mean", "sasrec"):
        log = tiny_log(ordered=True)
        tokenizer = made(log.query_schema, ordered=True, encoder=encoder)
        fields = log.query_fields(np.array([0, 9]))
        batch = Batch(NOTHING, Lists.of([[1, 2, 3], [4]]), fields)
        tokens = tokenizer.of_batch(batch, table())
        (tokens.vectors * torch.randn_like(tokens.vectors)).sum().backward()
        still = [n for n, one in tokenizer.named_parameters() if not one.grad.abs().sum() > 0]
        assert still == []
