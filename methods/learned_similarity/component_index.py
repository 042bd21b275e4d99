"""Component index: items found for the components of a mixture, by vector indexes."""

from pathlib import Path

import numpy as np

from harness.lists import FloatArray, Lists
from harness.stages import Mark
from methods.ann.choice import IndexChoice
from methods.ann.vector_index import VectorIndex
from methods.candidates import union_of
from methods.learned_similarity.params import MoLSearch


class ComponentIndex:
    """A vector index for each component of the items, and one for the mean of an item's.

    A query asks the index of item component p_X with each of its P_Q vectors, so for every pair of
    components; and that of the means with its mean, for the mean of all pairs' inner products.
    """

    def __init__(self, choice: IndexChoice, n_components: int, *, device: str, seed: int) -> None:
        """Take P_X, the components of an item.

        Raises
        ------
        MethodError
            The index does not run on the device.
        """
        self._choice = choice
        self._components = [choice.new_index(device, seed) for _ in range(n_components)]
        self._means = choice.new_index(device, seed)

    @property
    def _all(self) -> list[VectorIndex]:
        return [*self._components, self._means]

    def add(self, components: FloatArray) -> None:
        """Take what items bring, float32 (n_items, P_X, dim)."""
        vectors = [*components.transpose(1, 0, 2), components.mean(axis=1)]
        for index, given in zip(self._all, vectors, strict=True):
            whole = np.ascontiguousarray(given)
            index.train(whole)
            index.add(whole)

    def candidates(
        self, components: FloatArray, hidden: Lists, search: MoLSearch, mark: Mark
    ) -> Lists:
        """Return the distinct items found for each query, ascending; hidden ones are none.

        ``components`` are what queries bring, float32 (n, P_Q, dim).
        """
        n, n_components, dim = components.shape
        found = []
        if search.per_component:
            every = np.ascontiguousarray(components.reshape(-1, dim))
            hidden_of_each = hidden.take(np.repeat(np.arange(n), n_components))
            wanted = min(search.per_component, self._means.n_items)
            for index in self._components:
                self._choice.tune(index, search)
                ids = index.search_visible(every, hidden_of_each, wanted, mark).ids
                found.append(ids.reshape(n, n_components * wanted))
        if search.averaged:
            self._choice.tune(self._means, search)
            wanted = min(search.averaged, self._means.n_items)
            means = np.ascontiguousarray(components.mean(axis=1))
            found.append(self._means.search_visible(means, hidden, wanted, mark).ids)
        ids = np.concatenate(found, axis=1)
        return union_of(ids, np.zeros(ids.shape, np.float32))[0]

    @property
    def distances(self) -> int:
        """Return the inner products computed by all searches so far."""
        return sum(one.distances for one in self._all)

    @property
    def nbytes(self) -> int:
        """Return the bytes that a search may touch."""
        return sum(one.nbytes for one in self._all)

    def save(self, folder: Path) -> None:
        """Write every index into a folder of its own."""
        for place, index in enumerate(self._all):
            (folder / str(place)).mkdir(parents=True)
            index.save(folder / str(place))

    def load(self, folder: Path) -> None:
        """Become what `save` wrote."""
        for place, index in enumerate(self._all):
            index.load(folder / str(place))
