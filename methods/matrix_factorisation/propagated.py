"""The model of LightGCN: vectors of users and items that were propagated over their graph."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from harness.interactions import Interactions
from methods.batches import Batch
from methods.encoders.fields import INIT_STD
from methods.encoders.tensors import placed
from methods.matrix_factorisation.graph import Graph, propagated
from methods.matrix_factorisation.model import Factors
from methods.matrix_factorisation.users import users_of
from methods.matrix_factorisation.vectors import UserVectors, own_or_pooled
from methods.negatives import Negatives
from methods.products import Vectors, products


class PropagatedFactors(Factors):
    """<user vector, item vector>, each the mean of its layers of propagation, as LightGCN has it.

    A step propagates the vectors of the whole graph once, and their gradients once.
    """

    def __init__(
        self,
        train: Interactions,
        encoder: UserVectors,
        l2: float,
        device: str,
        n_layers: int,
        init_std: float = INIT_STD,
    ) -> None:
        """See `Factors`; the graph is that of ``train``."""
        super().__init__(train, encoder, l2, device, init_std)
        self._n_layers, self._n_users = n_layers, train.n_users
        self._graph = Graph(train, device)
        self._layers: tuple[Tensor, Tensor] | None = None

    def train(self, mode: bool = True) -> "PropagatedFactors":
        """Enter or leave training; what was propagated before is dropped."""
        self._layers = None
        super().train(mode)
        return self

    def propagate(self) -> tuple[Tensor, Tensor]:
        """Return the propagated vectors of users (n_users, dim) and items (n_items, dim).

        In evaluation they are kept until training goes on.
        """
        if self._layers is not None:
            return self._layers
        found = self._from(self._start())
        layers = found[: self._n_users], found[self._n_users :]
        if not self.training:
            self._layers = layers
        return layers

    def batch_scores(self, batch: Batch, negatives: Negatives) -> tuple[Tensor, Tensor, Tensor]:
        """See `RankingModel`."""
        step, others = self._step(batch), self._to_device(negatives)
        negative = products(step.queries, others, step.items)
        penalty = self._penalty_of(step, others)
        return (step.queries * step.targets).sum(1), negative, penalty

    def batch_vectors(self, batch: Batch, negatives: Negatives) -> Vectors | None:
        """See `RankingModel`."""
        step, others = self._step(batch), self._to_device(negatives)
        penalty = self._penalty_of(step, others)
        return Vectors(step.queries, step.targets, step.items(others), penalty)

    def all_scores(self, batch: Batch) -> Tensor:
        """See `RankingModel`."""
        users, items = self.propagate()
        askers = self._askers(batch)
        own = functional.embedding(askers.users.clamp(min=0), users)
        return own_or_pooled(own, askers, items) @ items.T

    def item_table(self) -> Tensor:
        """Return the propagated vectors of items, (n_items, dim)."""
        return self.propagate()[1]

    def catalogue_vectors(self) -> Tensor:
        """Return the propagated vectors of items, (n_items, dim)."""
        return self.propagate()[1]

    def served_encoder(self) -> UserVectors:
        """Return an encoder that holds the propagated vectors of users."""
        users = self.propagate()[0]
        served = UserVectors(*users.shape)
        served.users.weight = nn.Parameter(users.detach(), requires_grad=False)
        return served.eval()

    def _step(self, batch: Batch) -> "_Step":
        start = self._start()
        rows, targets = (placed(one, self._device) for one in (users_of(batch), batch.targets))
        vertices = torch.cat((rows, self._n_users + targets))
        return _Step(start, self._from(start), vertices, self._n_users)

    def _penalty_of(self, step: "_Step", negatives: Tensor) -> Tensor:
        """Return `_penalty` of the vectors before propagation."""
        if self._l2 == 0 or len(step.vertices) == 0:
            return step.start.new_zeros(())
        own = functional.embedding(step.vertices, step.start)
        drawn = functional.embedding(step.n_users + negatives, step.start)
        n, m = len(step.vertices) // 2, negatives.numel()
        return self._l2 / 2 * (own.square().sum() / n + drawn.square().sum() / m)

    def _start(self) -> Tensor:
        return torch.cat((self.encoder.users.weight, self.items.weight))

    def _from(self, start: Tensor) -> Tensor:
        return propagated(self._graph, start, self._n_layers)


class _Step:
    """What a step of training takes from the vectors of the whole graph, users first.

    Its users and targets are looked up together: the gradient of each lookup is of all vectors.
    """

    def __init__(self, start: Tensor, found: Tensor, vertices: Tensor, n_users: int) -> None:
        """Take vectors before and after propagation, and the n users, then n targets, of a step."""
        self.start, self.vertices, self.n_users, self._found = start, vertices, n_users, found
        self.queries, self.targets = functional.embedding(vertices, found).chunk(2)

    def items(self, ids: Tensor) -> Tensor:
        """Return the propagated vectors of items."""
        return functional.embedding(self.n_users + ids, self._found)
