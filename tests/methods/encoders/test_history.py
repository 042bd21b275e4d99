"""Encoders of one vector per history: what they compute, causality, padding, positions."""

import math

import numpy as np
import pytest
import torch
from torch.nn import functional

from harness.interactions import Interactions
from harness.lists import Lists
from methods.all_to_all.retriever import AllToAll
from methods.encoders.choice import make_history_encoder
from methods.encoders.history import AttentionPool
from methods.encoders.layout import Layout
from methods.encoders.params import EncoderParams
from methods.encoders.sasrec import Block
from methods.encoders.tensors import Bags
from methods.late_interaction.maxsim_retriever import MaxSim
from methods.late_interaction.poly_retriever import PolyEncoder
from methods.learned_similarity.retriever import MoL
from methods.sparcode.retriever import SparCode
from methods.two_tower.retriever import TwoTower

DIM, LONGEST, N_ITEMS = 8, 6, 20
TABLE = torch.randn((N_ITEMS, DIM), generator=torch.Generator().manual_seed(0))
LISTS = [[3, 1, 4], [], [1], [5, 9, 2, 6, 5, 3], [8, 8]]

FORMS = [
    {"encoder": "mean"},
    {"encoder": "attention", "n_attention_heads": 2},
    {"encoder": "gru4rec"},
    {"encoder": "sasrec", "n_attention_heads": 2},
    {"encoder": "sasrec", "norm": "post", "positions": "from_start"},
    {"encoder": "sasrec", "norm": "queries", "positions": "from_start"},
]
SEQUENTIAL = FORMS[2:]


def name_of(form):
    return "-".join(str(value) for value in form.values())


def encoder_of(form, seed=0):
    """Return an encoder with all its weights drawn, so that none stands where it starts."""
    torch.manual_seed(seed)
    params = EncoderParams(max_history=LONGEST, **form)
    params.check_encoder(DIM)
    encoder = make_history_encoder(params, DIM, 12).eval()
    for one in encoder.parameters():
        torch.nn.init.normal_(one, std=0.5)
    return encoder


def encode(encoder, lists, positions=None, table=TABLE):
    given = None if positions is None else torch.tensor(positions)
    with torch.no_grad():
        return encoder(Bags.of(Lists.of(lists), "cpu"), table, given)


def test_a_layout_pads_on_the_right_and_back():
    """Lists of two, none and one: (3, 2), zeros where there is nothing."""
    layout = Layout.of(Bags.of(Lists.of([[7, 8], [], [9]]), "cpu"))
    padded = layout.pad(torch.tensor([[1.0], [2.0], [3.0]]))
    assert padded[:, :, 0].tolist() == [[1, 2], [0, 0], [3, 0]]
    assert layout.unpad(padded)[:, 0].tolist() == [1, 2, 3]
    assert layout.columns.tolist() == [0, 1, 0]


def test_lists_of_alike_lengths_lie_together():
    """Lengths 3, 0, 1, 6, 2, 4, 1: up to 1, 2, 4 and 8; order within a group is that of before."""
    lists = [[10, 11, 12], [], [20], [30, 31, 32, 33, 34, 35], [40, 41], [50, 51, 52, 53], [60]]
    bags = Bags.of(Lists.of(lists), "cpu")
    order, groups = Layout.of(bags).of_alike_lengths()
    assert [group.lengths.tolist() for group in groups] == [[1, 1], [2], [3, 4], [6]]
    assert [group.longest for group in groups] == [1, 2, 4, 6]
    values = bags.ids[order].double()[:, None]
    padded = [
        group.pad(part)[:, :, 0].tolist()
        for part, group in zip(values.split([2, 2, 7, 6]), groups, strict=True)
    ]
    assert padded == [[[20], [60]], [[40, 41]], [[10, 11, 12, 0], lists[5]], [lists[3]]]


@pytest.mark.parametrize("form", FORMS, ids=name_of)
def test_company_and_padding_change_nothing(form):
    """Alone, or beside longer histories, or in another order: the same vector to 1e-6."""
    encoder = encoder_of(form)
    together = encode(encoder, LISTS)
    assert together.shape == (len(LISTS), DIM)
    for row, one in enumerate(LISTS):
        alone = encode(encoder, [one])
        torch.testing.assert_close(alone[0], together[row], rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(encode(encoder, LISTS[::-1]), together.flip(0), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("form", FORMS, ids=name_of)
def test_items_that_are_not_in_the_history_do_not_matter(form):
    """With every other item's vector not a number, item 0's too, a vector stays bit for bit."""
    encoder = encoder_of(form)
    table = TABLE.clone()
    table[[item for item in range(N_ITEMS) if item not in (3, 1, 4)]] = torch.nan
    assert torch.equal(encode(encoder, [[3, 1, 4]]), encode(encoder, [[3, 1, 4]], table=table))


@pytest.mark.parametrize("form", FORMS, ids=name_of)
def test_a_history_without_items_is_zeros(form):
    """In company, alone, and where there is no query at all."""
    encoder = encoder_of(form)
    assert encode(encoder, LISTS)[1].tolist() == [0] * DIM
    assert encode(encoder, [[], []]).tolist() == [[0] * DIM] * 2
    assert encode(encoder, []).shape == (0, DIM)


@pytest.mark.parametrize("form", SEQUENTIAL, ids=name_of)
def test_later_items_never_change_an_earlier_position(form):
    """Bit for bit, whichever later item is changed; the position's own item does change it."""
    encoder = encoder_of(form)
    items = [5, 9, 2, 6, 7, 3]
    before = encode(encoder, [items], list(range(6)))
    for place in range(6):
        other = items.copy()
        other[place] = 11
        after = encode(encoder, [other], list(range(6)))
        assert torch.equal(after[:place], before[:place])
        assert (after[place] != before[place]).any()
        assert (after[-1] != before[-1]).any()


@pytest.mark.parametrize("form", SEQUENTIAL, ids=name_of)
def test_order_matters_and_only_to_these(form):
    """The same items in another order are another vector; their mean is the same."""
    both = encode(encoder_of(form), [[3, 1, 4], [1, 3, 4]])
    assert (both[0] - both[1]).abs().max() > 1e-2
    both = encode(encoder_of(FORMS[1]), [[3, 1, 4], [1, 3, 4]])
    torch.testing.assert_close(both[0], both[1])


@pytest.mark.parametrize("form", [FORMS[2], FORMS[4]], ids=name_of)
def test_a_position_is_encoded_as_the_history_that_ends_there(form):
    """Of encoders that count from the start: one pass gives what each prefix alone gives."""
    encoder = encoder_of(form)
    at_once = encode(encoder, LISTS, list(range(sum(map(len, LISTS)))))
    prefixes = [one[:end] for one in LISTS for end in range(1, len(one) + 1)]
    torch.testing.assert_close(at_once, encode(encoder, prefixes), rtol=1e-5, atol=1e-6)


def test_attention_by_hand():
    """Two items, one coordinate a head; a query of ln 3 gives the item of 1 three parts of four."""
    encoder = AttentionPool(2, 2)
    table = torch.tensor([[0.0, 8.0], [1.0, 4.0]])
    assert encode(encoder, [[0, 1]], table=table).tolist() == [[0.5, 6.0]]  # starts as the mean
    with torch.no_grad():
        encoder.queries[0, 0] = math.log(3)
    torch.testing.assert_close(encode(encoder, [[0, 1]], table=table), torch.tensor([[0.75, 6.0]]))


def padded_sasrec(encoder, items, *, norm, from_end):
    """Return SASRec's last state by the paper's layout: a window of LONGEST, filled one way.

    Attention is written out, with a mask of what is later and what is padding; a second form of the
    same equations, for one history.
    """
    n = len(items)
    slots = np.arange(LONGEST - n, LONGEST) if from_end else np.arange(n)
    states = torch.zeros(LONGEST, DIM)
    states[slots] = TABLE[items] * math.sqrt(DIM)
    states = states + encoder.positions.weight
    later = torch.ones(LONGEST, LONGEST, dtype=torch.bool).triu(1)
    padding = torch.ones(LONGEST, dtype=torch.bool)
    padding[slots] = False
    states = encoder.norm_inputs(states) if norm == "post" else states
    for block in encoder.blocks:
        asking = states if norm == "post" else block.attention_norm(states)
        given = asking if norm == "pre" else states
        attended, _ = functional.multi_head_attention_forward(
            asking[:, None], given[:, None], given[:, None], DIM, 2,
            block.inputs.weight, block.inputs.bias, None, None, False, 0.0,
            block.output.weight, block.output.bias, training=False, attn_mask=later | (
                padding[None, :] & ~torch.eye(LONGEST, dtype=torch.bool)
            ),
        )  # fmt: skip
        attended = attended[:, 0]
        if norm == "pre":
            states = states + attended
            states = states + block.perceptron(block.perceptron_norm(states))
        elif norm == "queries":
            states = block.perceptron_norm(asking + attended)
            states = states + block.perceptron(states)
        else:
            states = block.attention_norm(states + attended)
            states = block.perceptron_norm(states + block.perceptron(states))
    states = states if norm == "post" else encoder.norm_states(states)
    return states[slots]


@pytest.mark.parametrize("norm", ["pre", "post", "queries"])
@pytest.mark.parametrize("positions", ["from_end", "from_start"])
def test_sasrec_is_that_of_padded_windows(norm, positions):
    """At every position, against torch's own multi-head attention over windows of one length."""
    form = {"encoder": "sasrec", "n_attention_heads": 2, "norm": norm, "positions": positions}
    encoder = encoder_of(form)
    given = [one for one in LISTS if one]
    found = encode(encoder, given, list(range(sum(map(len, given)))))
    with torch.no_grad():
        expected = [
            padded_sasrec(encoder, one, norm=norm, from_end=positions == "from_end")
            for one in given
        ]
    torch.testing.assert_close(found, torch.cat(expected), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"dropout": 1.0}, "dropout = 1.0 must be at least 0 and below 1"),
        ({"n_attention_heads": 3}, "dim = 8 must be a multiple of n_attention_heads = 3"),
    ],
)
def test_impossible_encoders_are_refused(given, message):
    """With the name, what was given and what was expected."""
    with pytest.raises(ValueError, match=message):
        EncoderParams(**given).check_encoder(DIM)


@pytest.mark.parametrize("method", [TwoTower, AllToAll, MoL, MaxSim, PolyEncoder, SparCode])
def test_vectors_start_as_wide_as_asked(method):
    """Those of positions, and those of items in every model that has the encoder."""
    train = Interactions(Lists.of([[0, 499]]), 500, ordered=True)
    params = method.BuildParams(encoder="sasrec", max_history=500, init_std=0.02)
    torch.manual_seed(0)
    model = method(params, seed=1).new_model(train)
    widths = {
        name: one.std().item()
        for name, one in model.named_parameters()
        if name.endswith(("ids.weight", "positions.weight"))
    }
    assert len(widths) >= 2
    assert widths == pytest.approx(dict.fromkeys(widths, 0.02), rel=0.05)


@pytest.mark.parametrize(("norm", "drops"), [("queries", False), ("pre", True)])
def test_what_attention_adds_is_not_dropped_where_queries_alone_are_normalised(norm, drops):
    """In training, with a perceptron that adds nothing: the sum is of all that attention gave."""
    torch.manual_seed(0)
    block, given, gave = Block(DIM, 1, 0.5, norm).train(), torch.randn(1, DIM), []
    for one in block.perceptron[-1].parameters():
        torch.nn.init.zeros_(one)
    block.output.register_forward_hook(lambda *called: gave.append(called[-1]))
    with torch.no_grad():
        states = block(given, [Layout.of(Bags.of(Lists.of([[0]]), "cpu"))])
        whole = block.attention_norm(given) if norm == "queries" else given
        whole = whole + gave[0]
        whole = block.perceptron_norm(whole) if norm == "queries" else whole
    assert torch.allclose(states, whole) != drops
