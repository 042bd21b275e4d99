"""Final lists: which postings training keeps in its last epochs, and so the index after it."""

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn

from harness.arrays import Array
from harness.errors import MethodError
from harness.lists import IntArray
from methods.sparcode.index.building import build_lists
from methods.sparcode.index.cut import CutRules
from methods.sparcode.index.scorer import BlockBounds, CodeScorer, Int32Array

MOST_BYTES = 1 << 29  # of the marks, one byte for a code in use and an item


class FinalLists(nn.Module):
    """Marks the postings of final lists, bool (codes in use, items); at first there are none.

    The marks are a part of the model: they are saved with it, kept with the weights of the best
    epoch, and the index holds no posting besides. So a model whose last epochs were trained with
    them serves the score that was trained: the postings that are marked and have a positive score
    with the final weights. Cuts have nothing left to take, for the marks obey the same rules.

    Attributes
    ----------
    rows : int64 (n_codes,), the row of each code, -1 of one that has no list.
    marks : bool (n_listed + 1, n_items); the last row is for codes without a list.
    """

    rows: Tensor
    marks: Tensor

    def __init__(self) -> None:
        """Mark nothing."""
        super().__init__()
        self.register_buffer("rows", torch.zeros(0, dtype=torch.int64))
        self.register_buffer("marks", torch.zeros((0, 0), dtype=torch.bool))

    def __bool__(self) -> bool:
        return self.rows.numel() > 0

    @property
    def codes(self) -> IntArray:
        """Return the codes that have a list, ascending."""
        return torch.nonzero(self.rows >= 0).squeeze(1).cpu().numpy()

    def mark(
        self,
        scorer: CodeScorer,
        codes: IntArray,
        n_codes: int,
        rules: CutRules,
        memory_budget_mb: float,
    ) -> None:
        """Mark the postings that lists built now would hold.

        Parameters
        ----------
        scorer : of ``codes``, int64 ascending, the codes that queries use out of ``n_codes``.

        Raises
        ------
        MethodError
            The marks would take more than `MOST_BYTES`.
        """
        size = (codes.size + 1) * scorer.n_items
        if size > MOST_BYTES:
            raise MethodError(
                f"finish: {codes.size:,} codes in use x {scorer.n_items:,} items need "
                f"{size / 1e6:,.0f} MB of marks, and {MOST_BYTES / 1e6:,.0f} MB are the limit: "
                "lower n_codewords, n_parts or n_heads, or set finish = 0"
            )
        postings = build_lists(scorer, rules, memory_budget_mb)
        at = np.repeat(np.arange(codes.size), np.diff(postings.starts))
        marks = np.zeros((codes.size + 1, scorer.n_items), np.bool_)
        marks[at, postings.items] = True
        rows = np.full(n_codes, -1, np.int64)
        rows[codes] = np.arange(codes.size)
        self.rows, self.marks = (
            torch.from_numpy(one).to(self.rows.device) for one in (rows, marks)
        )

    def of_codes(self, codes: Tensor) -> Tensor:
        """Return the marks of codes (n,), bool (n, n_items)."""
        return self.marks[self.rows[codes]]  # row -1 is the last

    def of_pairs(self, codes: Tensor, items: Tensor) -> Tensor:
        """Return the marks of pairs; codes and items broadcast against each other."""
        return self.marks[self.rows[codes], items]

    def arrays(self) -> dict[str, Array]:
        """Return what is saved: the rows, and the marks as bits."""
        marks = np.packbits(self.marks.cpu().numpy(), axis=1)
        return {"stored.rows": self.rows.cpu().numpy(), "stored.marks": marks}

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, Array], n_items: int, device: str) -> Self:
        """Return what `arrays` came from."""
        new = cls()
        marks = np.unpackbits(arrays["stored.marks"], axis=1, count=n_items).astype(np.bool_)
        new.rows = torch.from_numpy(arrays["stored.rows"]).to(device)
        new.marks = torch.from_numpy(marks).to(device)
        return new

    def only(self, scorer: CodeScorer, codes: IntArray) -> CodeScorer:
        """Return a scorer of ``codes`` for which pairs without a mark are out."""
        rows = self.rows.to(scorer.device)[torch.from_numpy(codes).to(scorer.device)]
        return _MarkedScorer(scorer, rows, self.marks.to(scorer.device))

    def _load_from_state_dict(self, state: Any, prefix: str, *rest: Any) -> None:
        """Take the shapes of what is loaded: how many codes have lists differs by epoch."""
        for name, held in list(self.named_buffers(recurse=False)):
            if (given := state.get(prefix + name)) is not None:
                setattr(self, name, torch.empty_like(given, device=held.device))
        super()._load_from_state_dict(state, prefix, *rest)


class _MarkedScorer:
    """A `CodeScorer` that gives pairs without a mark minus infinity."""

    def __init__(self, scorer: CodeScorer, rows: Tensor, marks: Tensor) -> None:
        self._scorer, self._rows, self._marks = scorer, rows, marks
        self.n_codes, self.n_items = scorer.n_codes, scorer.n_items
        self.item_ids: Int32Array = scorer.item_ids
        self.pair_bytes, self.device = scorer.pair_bytes + 2, scorer.device
        self.bounded = scorer.bounded
        self._ids = torch.from_numpy(np.asarray(self.item_ids, np.int64)).to(self.device)

    def scores(self, first_code: int, after_code: int, first_item: int, after_item: int) -> Tensor:
        """See `CodeScorer`."""
        scores = self._scorer.scores(first_code, after_code, first_item, after_item)
        return self._marked(scores, self._rows[first_code:after_code], first_item, after_item)

    def scores_of(self, codes: IntArray, first_item: int, after_item: int) -> Tensor:
        """See `CodeScorer`."""
        scores = self._scorer.scores_of(codes, first_item, after_item)
        rows = self._rows[torch.from_numpy(codes).to(self.device)]
        return self._marked(scores, rows, first_item, after_item)

    def upper_bounds(self, edges: IntArray) -> BlockBounds:
        """See `CodeScorer`; bounds without marks hold."""
        return self._scorer.upper_bounds(edges)

    def _marked(self, scores: Tensor, rows: Tensor, first_item: int, after_item: int) -> Tensor:
        marks = self._marks[rows][:, self._ids[first_item:after_item]]
        return scores.masked_fill(~marks, -torch.inf)
