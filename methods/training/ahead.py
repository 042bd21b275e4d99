"""Batches made ahead by another thread, in page-locked memory, so that a GPU need not wait."""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TypeVar

import torch

from harness.arrays import Array
from harness.fields import Categorical, Column, Dense, Fields, MultiValued
from harness.lists import Lists
from methods.batches import Batch
from methods.negatives import Negatives

T = TypeVar("T")
Convert = Callable[[Array], Array]


def made_ahead(source: Iterator[T], n_ahead: int) -> Iterator[T]:
    """Yield what ``source`` yields, in its order, each made by one other thread beforehand.

    At most ``n_ahead`` wait. The source runs in that thread alone, so that random draws come in the
    order in which they would come without it. What the source raises is raised here, in its place.
    """
    end = object()
    with ThreadPoolExecutor(1) as pool:
        waiting = deque(pool.submit(next, source, end) for _ in range(n_ahead))
        while (one := waiting.popleft().result()) is not end:
            waiting.append(pool.submit(next, source, end))
            yield one  # type: ignore[misc]  # not the end, so the source's


def page_locked(array: Array) -> Array:
    """Return a copy that CUDA copies to its device while the program goes on."""
    pinned: Array = torch.from_numpy(array).pin_memory().numpy()
    return pinned


def convert_step(
    step: tuple[Batch, Negatives], convert: Convert = page_locked
) -> tuple[Batch, Negatives]:
    """Return batch and negatives with every array put through ``convert``."""
    batch, negatives = step
    fields = batch.fields
    if fields is not None:
        columns = {name: _column(one, convert) for name, one in fields.columns.items()}
        fields = Fields(len(fields), columns)
    positions = None if batch.positions is None else convert(batch.positions)
    return (
        Batch(convert(batch.targets), _lists(batch.history, convert), fields, positions),
        replace(
            negatives,
            items=convert(negatives.items),
            log_expected=torch.from_numpy(convert(negatives.log_expected.numpy())),
        ),
    )


def _column(column: Column, convert: Convert) -> Column:
    match column:
        case Categorical():
            return Categorical(convert(column.ids), column.size)
        case MultiValued():
            return MultiValued(_lists(column.lists, convert), column.size)
        case Dense():
            return Dense(convert(column.values))


def _lists(lists: Lists, convert: Convert) -> Lists:
    return Lists(convert(lists.indptr), convert(lists.ids))
