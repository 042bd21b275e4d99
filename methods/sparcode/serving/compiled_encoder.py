"""CompiledEncoder: SparCode's tokenizer and quantizer on the CPU; its codes are the served ones."""

from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numba
import numpy as np
import torch
from torch import Tensor

from harness.fields import Fields
from harness.lists import FloatArray, IntArray, Lists
from methods.encoders.serving import (
    FieldParts,
    WeightPacker,
    add_mixture,
    plan_of,
    refuse_history,
    table_of,
)
from methods.encoders.serving_kernel.plan import ATTENTION, FINE, HEADS, RESIDUAL, Plan
from methods.encoders.serving_kernel.write import write_codes
from methods.sparcode.model.encoder import Encoder, Tokens
from methods.sparcode.model.quantizer import Quantizer
from methods.sparcode.model.tokenizer import Tokenizer

QUERIES_A_THREAD = 128  # at least: starting a thread costs about what encoding 5 queries does
KINDS = {"heads": HEADS, "attention": ATTENTION, "residual": RESIDUAL}


class Coded(NamedTuple):
    """Queries as codes.

    ``codes`` int64 (n, L) over all groups; ``weights`` float32 (n, L); ``quantisable`` and
    ``given`` are `Tokens`, as arrays of the host or tensors of a device.
    """

    codes: IntArray
    weights: FloatArray
    quantisable: FloatArray | Tensor
    given: IntArray | Tensor

    @property
    def tokens(self) -> Tokens:
        """Return the tokens as tensors, not copied."""
        return Tokens(*(torch.as_tensor(one) for one in (self.quantisable, self.given)))

    def rows(self, some: slice) -> "Coded":
        """Return some of the queries."""
        codes, weights, quantisable, given = self
        return Coded(codes[some], weights[some], quantisable[some], given[some])


class CompiledEncoder:
    """`Encoder` on the CPU, in float32: the same bits for a query alone and in any batch.

    Batches are cut into a block for each thread of numba's pool, none of fewer than
    `QUERIES_A_THREAD` queries.

    Of codes at equal distances, as float32 tells them, the one with smaller codewords is nearer.
    The nearest are found by ``<x, c> - |c|^2 / 2``, their weights by ``|x - c|^2``.

    Attributes
    ----------
    table : float32 (n_items, dim), what items bring to a history.
    nbytes : bytes of all weights; codebooks are there twice, by codeword and by coordinate.
    """

    def __init__(self, encoder: Encoder, schema: Fields | None, item_table: Tensor) -> None:
        """Copy the weights of an encoder and the table of `ItemFeatures.history_table`."""
        packer, tokenizer, quantizer = WeightPacker(), encoder.tokenizer, encoder.quantizer
        books = quantizer.books_of(torch.arange(tokenizer.n_tokens)).tolist()
        starts = encoder.starts.tolist()
        fields = encoder.fields
        sizes = {
            **add_mixture(packer, tokenizer.mixture, item_table, tokenizer.n_mixed),
            **_tokenizer_sizes(packer, tokenizer),
            **_quantizer_sizes(packer, quantizer),
            Plan.GIVEN: len(fields.tokens),
        }
        own = [1 + one for one in tokenizer.own_fields]
        self._plan = plan_of(sizes, own, books, starts[:-1])
        self._fields = FieldParts(schema, encoder.query.fields, packer)
        self._given, self._size_of = fields.tokens, fields.size_of
        self._weights, self.nbytes = packer.packed(), packer.nbytes
        self.table = table_of(self._weights, self._plan)
        self._n_items, self._dim = self.table.shape
        self._n_vectors = 1 if quantizer.is_residual else tokenizer.n_tokens
        self._length = tokenizer.n_tokens * sizes[Plan.FOUND] + len(fields.tokens)

    def encode(self, history: Lists, fields: Fields | None, limit: int) -> Coded:
        """Return tokens, codes and weights; of each history the last ``limit`` items count.

        Raises
        ------
        ValueError
            A history names no item, or fields are not those of training.
        """
        n = len(history)
        parts = np.empty((n, self._fields.n_parts, self._dim), np.float32)
        tokens = np.empty((n, self._n_vectors, self._dim), np.float32)
        codes, weights = np.empty((n, self._length), np.int64), np.empty((n, self._length), "f4")
        self._fields.write(self._weights, fields, parts)
        given = np.empty((n, len(self._given)), np.int64)
        if self._given:
            self._write_given(fields, given)

        def write(first: int, last: int) -> int:
            own = slice(first, last)
            asked = (history.indptr[first : last + 1], history.ids, limit, parts[own], given[own])
            written = (tokens[own], codes[own], weights[own])
            wrong = int(write_codes(self._weights, self._plan, *asked, *written))
            return wrong if wrong == FINE else wrong + first

        n_blocks = min(numba.get_num_threads(), n // QUERIES_A_THREAD)
        if n_blocks < 2:
            wrong = write(0, n)
        else:
            edges = [n * block // n_blocks for block in range(n_blocks + 1)]
            with ThreadPoolExecutor(n_blocks) as pool:
                wrongs = pool.map(write, edges[:-1], edges[1:])
                wrong = next((one for one in wrongs if one != FINE), FINE)
        if wrong != FINE:
            refuse_history(wrong, self._n_items)
        return Coded(codes, weights, tokens, given)

    def _write_given(self, fields: Fields | None, given: IntArray) -> None:
        """Write the code of each field token, the value or, of a pair, both; see `FieldCodes`."""
        assert fields is not None, "`FieldParts.write` has refused it"
        for at, names in enumerate(self._given):
            first = fields.columns[names[0]].ids  # type: ignore[union-attr]  # categorical
            if len(names) == 2:
                second = fields.columns[names[1]].ids  # type: ignore[union-attr]
                first = first * self._size_of[names[1]] + second
            given[:, at] = first


def _tokenizer_sizes(packer: WeightPacker, tokenizer: Tokenizer) -> dict[Plan, int]:
    sizes = {
        Plan.KIND: KINDS[tokenizer.kind],
        Plan.HEADS: tokenizer.n_heads,
        Plan.OWN: len(tokenizer.own_fields),
    }
    if tokenizer.kind != "residual":
        sizes[Plan.PROJECTIONS] = packer.add(tokenizer.projections)
    if tokenizer.kind == "attention":
        sizes[Plan.QUERIES] = packer.add(tokenizer.queries)
    return sizes


def _quantizer_sizes(packer: WeightPacker, quantizer: Quantizer) -> dict[Plan, int]:
    books = quantizer.codebooks.detach().cpu().double()  # (books, M, N, dim / M)
    n_parts, n_words, nearest = books.shape[1], books.shape[2], quantizer.settings.n_nearest
    scales = quantizer.log_temperature.detach().cpu().double().exp().clamp_min(1e-12)
    return {
        Plan.PARTS: n_parts,
        Plan.WORDS: n_words,
        Plan.NEAREST: nearest,
        Plan.FOUND: min(nearest, n_words**n_parts),
        Plan.BOOKS: packer.add(books),
        Plan.TURNED: packer.add(books.transpose(2, 3)),
        Plan.HALVES: packer.add(-0.5 * (books**2).sum(-1)),
        Plan.SCALES: packer.add(scales),
    }
