"""TokenCells: the tokens of all items, laid in cells around the centroids of a k-means."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Self

import numpy as np
import numpy.typing as npt

from harness.arrays import Array
from harness.lists import FloatArray, IntArray
from methods.ann.ivf import default_nlist
from methods.late_interaction.kmeans import centroids_of, nearest_of

Int32Array = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class TokenCells:
    """N tokens of n_items items, cell by cell.

    Attributes
    ----------
    centroids : float32 (n_cells, d).
    norms : float32 (n_cells,), their lengths.
    starts : int64 (n_cells + 1,); the tokens of cell c lie at starts[c] .. starts[c + 1].
    vectors : float32 (N, d), the tokens.
    items : int32 (N,), the item of each.
    places : int32 (n_items, S), where an item's tokens lie; one that it has not is its first.
    codes : int32 (n_items, S), the cells of its tokens.
    """

    centroids: FloatArray
    norms: FloatArray
    starts: IntArray
    vectors: FloatArray
    items: Int32Array
    places: Int32Array
    codes: Int32Array

    @classmethod
    def of(
        cls, tokens: FloatArray, nlist: int, per_cell: int, seed: int, *, unit: bool = False
    ) -> Self:
        """Lay the tokens of all items, float32 (n_items, S, d), into ``nlist`` cells.

        A token equal to its item's first one is not laid again: it can win no maximum. ``nlist`` 0
        is 4 * sqrt(N). ``unit`` scales the centroids to length 1, as ColBERT does for unit tokens.
        """
        n_items, n_tokens = tokens.shape[:2]
        own = np.ones((n_items, n_tokens), np.bool_)
        own[:, 1:] = (tokens[:, 1:] != tokens[:, :1]).any(axis=2)
        vectors = np.ascontiguousarray(tokens[own])  # (N, d), item by item
        centroids = centroids_of(vectors, nlist or default_nlist(len(vectors)), per_cell, seed)
        if unit:
            lengths = np.linalg.norm(centroids, axis=1, keepdims=True)
            centroids /= np.maximum(lengths, np.float32(1e-12))
        cells = nearest_of(vectors, centroids)
        order = np.argsort(cells, kind="stable")
        counts = np.bincount(cells, minlength=len(centroids))
        place_of = np.empty(len(vectors), np.int32)
        place_of[order] = np.arange(len(vectors), dtype=np.int32)
        places, codes = (np.zeros((n_items, n_tokens), np.int32) for _ in range(2))
        places[own], codes[own] = place_of, cells
        return cls(
            centroids,
            np.linalg.norm(centroids, axis=1),
            np.concatenate((np.zeros(1, np.int64), np.cumsum(counts))),
            vectors[order],
            np.nonzero(own)[0].astype(np.int32)[order],
            np.where(own, places, places[:, :1]),
            np.where(own, codes, codes[:, :1]),
        )

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, Array]) -> Self:
        """Return the cells that `arrays` told of."""
        return cls(**{one.name: arrays[f"cells.{one.name}"] for one in fields(cls)})

    def arrays(self) -> dict[str, Array]:
        """Return all arrays by name."""
        return {f"cells.{one.name}": getattr(self, one.name) for one in fields(self)}

    @property
    def n_items(self) -> int:
        """Return the number of items."""
        return len(self.places)

    @property
    def nlist(self) -> int:
        """Return the number of cells."""
        return len(self.centroids)

    @property
    def nbytes(self) -> int:
        """Return the bytes of all arrays."""
        return sum(one.nbytes for one in self.arrays().values())

    def tokens(self, item_ids: IntArray) -> FloatArray:
        """Return the tokens of items, float32 (m, S, d)."""
        return self.vectors[self.places[item_ids]]
