"""BPR-MF, SimpleX and LightGCN: a vector per user, searched exactly among the items' vectors."""

from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch

from harness.arrays import load_arrays, save_arrays
from harness.interactions import HeldOut, Interactions, Queries
from harness.lists import FloatArray, IntArray, Lists
from harness.progress import Progress, silent
from harness.retriever import Capability, Footprint
from harness.spaces import Range, Space
from harness.topk import TopK
from methods.ann.flat import exact_index
from methods.batches import serving_history
from methods.encoders.state import load_state, state_arrays
from methods.matrix_factorisation.model import CosineFactors, Factors
from methods.matrix_factorisation.params import BPRParams, LightGCNParams, SimpleXParams
from methods.matrix_factorisation.propagated import PropagatedFactors
from methods.matrix_factorisation.users import asked_by_users, with_users
from methods.matrix_factorisation.vectors import Askers, UserAndHistory, UserVectors
from methods.training import LearnedRetriever


class UserVectorRetriever(LearnedRetriever[Factors]):
    """What the three share: fit, exact search by inner product, files, accounts."""

    capabilities: ClassVar[frozenset[Capability]] = LearnedRetriever.capabilities | {
        Capability.SCORE,
        Capability.ENCODE,
        Capability.SAVE,
        Capability.COUNTERS,
    }
    devices: ClassVar[tuple[str, ...]] = ("cpu", "cuda")
    search_stages: ClassVar[tuple[str, ...]] = ("encode", "transfer", "scoring", "top_k")
    build_stages: ClassVar[tuple[str, ...]] = ("item_vectors", "index_build")
    kind: ClassVar[str] = "user_vectors"

    def __init__(
        self,
        build_params: Any = None,
        *,
        device: str = "cpu",
        seed: int = 0,
        progress: Progress = silent,
    ) -> None:
        """Keep the parameters."""
        super().__init__(build_params, device=device, seed=seed, progress=progress)
        self._index = exact_index(device)

    @abstractmethod
    def _new_encoder(self, n_users: int) -> UserVectors:
        """Return an encoder of queries, to be filled."""

    def as_read(
        self, train: Interactions, validation: HeldOut | None
    ) -> tuple[Interactions, HeldOut | None]:
        """Return both with their users as the one field, see `with_users`."""
        return with_users(train), asked_by_users(validation, train.n_users)

    def build(self) -> None:
        """Compute all vectors and hand the items' to the index."""
        model = self._model.eval()
        with torch.inference_mode():
            vectors = model.catalogue_vectors().cpu().numpy()
            self._item_table = model.item_table().detach()
            self._encoder = model.served_encoder().eval()
        self.mark("item_vectors")
        self._index.add(vectors)
        self.mark("index_build")

    def encode(self, queries: Queries) -> FloatArray:
        """Return query vectors, float32 (n, dim)."""
        history = serving_history(queries, self._ordered, self.build_params.max_history)
        askers = Askers.of(queries.user_ids, history, self.device)
        with torch.inference_mode():
            encoded = np.asarray(self._encoder(askers, self._item_table).cpu().numpy())
        self.mark("encode")
        return encoded

    def search_encoded(self, encoded: FloatArray, hidden: Lists, k: int) -> TopK:
        """Return the k best items for query vectors, float32 (n, dim)."""
        return self._index.search_visible(encoded, hidden, k, self.mark)

    def search(self, queries: Queries, k: int) -> TopK:
        """Encode, then search."""
        return self.search_encoded(self.encode(queries), queries.hidden, k)

    def score(self, queries: Queries, item_ids: IntArray) -> FloatArray:
        """Return inner products, float32 (n, n_item_ids)."""
        return np.asarray(self.encode(queries) @ self._index.vectors()[item_ids].T)

    def save(self, folder: Path) -> None:
        """Write the vectors of items, and all that encodes a query."""
        arrays = {
            "item_table": self._item_table.cpu().numpy(),
            "vectors": self._index.vectors(),
            **state_arrays(self._encoder, "encoder"),
        }
        facts = {
            "n_users": self._encoder.users.num_embeddings,
            "ordered": self._ordered,
            **self.training_facts(),
        }
        save_arrays(folder, self.kind, arrays, facts)

    def load(self, folder: Path) -> None:
        """Become what `save` wrote; the training log is not needed."""
        arrays, facts = load_arrays(folder, self.kind)
        self._ordered = bool(facts["ordered"])
        self.take_training_facts(facts)
        self._encoder = self._new_encoder(int(facts["n_users"]))
        load_state(self._encoder, "encoder", arrays, self.device)
        self._item_table = torch.from_numpy(arrays["item_table"]).to(self.device, copy=True)
        self._index.add(arrays["vectors"])

    def counters(self) -> Mapping[str, int]:
        """Return inner products computed by searches."""
        return {"distances": self._index.distances}

    def footprint(self) -> Footprint:
        """Return the bytes of the index and of what encodes a query."""
        held = [self._item_table, *self._encoder.parameters()]
        return self.account(self._index.nbytes + sum(one.numel() * 4 for one in held), {})


class BPR(UserVectorRetriever):
    """BPR-MF: user and item vectors that rank what a user met above what it did not.

    A user known in training is served by its own vector whatever its history; one unknown by the
    mean of the vectors of its history's items, ours, for the paper has no such user. A step costs
    batch_size * (2 + n_negatives) vectors and the optimiser's pass over all weights; a search
    n_items * dim multiplications. Unlike the paper: Adam in batches, in place of single steps of
    SGD; each event is the target once an epoch, in place of draws with replacement; no item bias;
    negatives are drawn from all items and those the user met do not count, in place of new draws.

    References
    ----------
    Rendle, Freudenthaler, Gantner and Schmidt-Thieme, "BPR: Bayesian Personalized Ranking from
    Implicit Feedback", UAI 2009.
    """

    BuildParams: ClassVar[type[BPRParams]] = BPRParams
    TuneSpace: ClassVar[Space] = {
        "learning_rate": Range(2e-4, 2e-2, log=True),
        "dim": (32, 64, 128),
        "l2": Range(1e-6, 1e-2, log=True),
        "n_negatives": (1, 4, 16),
    }
    build_params: BPRParams

    def new_model(self, train: Interactions) -> Factors:
        """See `LearnedRetriever`; of a log of `with_users`."""
        params, encoder = self.build_params, self._new_encoder(train.n_users)
        return Factors(train, encoder, params.l2, self.device, params.init_std)

    def _new_encoder(self, n_users: int) -> UserVectors:
        return UserVectors(n_users, self.build_params.dim)


class LightGCN(UserVectorRetriever):
    """LightGCN: BPR-MF whose vectors are the mean of K propagations over the training graph.

    E(k + 1) = D^-1/2 A D^-1/2 E(k), layers weighted alike, no transformation. A step propagates
    the whole graph there and back, 2 K products of nnz * dim, so batches are best large; nothing of
    it is left when serving, which costs what `BPR` costs. Edges are the training events: a query's
    history beyond them does not count for a known user. An unknown user, and what differs from the
    paper in training: see `BPR`. The loss is a mean of examples, where the published code adds the
    vectors' penalty divided by the batch size alike.

    References
    ----------
    He et al., "LightGCN: Simplifying and Powering Graph Convolution Network for Recommendation",
    SIGIR 2020, eqs. 3, 4 and 15.
    """

    BuildParams: ClassVar[type[LightGCNParams]] = LightGCNParams
    TuneSpace: ClassVar[Space] = {
        "learning_rate": Range(2e-4, 2e-2, log=True),
        "dim": (32, 64, 128),
        "l2": Range(1e-6, 1e-2, log=True),
        "n_layers": (1, 2, 3, 4),
    }
    build_params: LightGCNParams

    def new_model(self, train: Interactions) -> Factors:
        """See `LearnedRetriever`; of a log of `with_users`."""
        params = self.build_params
        encoder = self._new_encoder(train.n_users)
        return PropagatedFactors(
            train, encoder, params.l2, self.device, params.n_layers, params.init_std
        )

    def _new_encoder(self, n_users: int) -> UserVectors:
        return UserVectors(n_users, self.build_params.dim)


class SimpleX(UserVectorRetriever):
    """SimpleX: a user's vector and what its history says, cosines, the contrastive loss.

    h_u = g e_u + (1 - g) V p_u, p_u the mean of the vectors of at most ``max_history`` items, or by
    attention (``pooling``); the score is cos(h_u, e_i). A user unknown in training is served by its
    history alone. A step costs a product of batch_size * n_negatives * dim. Unlike the paper:
    negatives are shared by a batch, unless ``own_negatives`` is set, and those that the user met do
    not count; the target is not in the history that it is trained from; V starts as the identity.
    ``dropout``, ``bias`` and ``own_history_vectors`` are the published code's, whose attention
    differs: there padding up to the longest history counts as items with the zero vector.

    References
    ----------
    Mao et al., "SimpleX: A Simple and Strong Baseline for Collaborative Filtering", CIKM 2021.
    """

    BuildParams: ClassVar[type[SimpleXParams]] = SimpleXParams
    TuneSpace: ClassVar[Space] = {
        "learning_rate": Range(1e-4, 1e-2, log=True),
        "g": Range(0.0, 1.0),
        "ccl_margin": Range(0.0, 0.95),
        "ccl_weight": Range(1.0, 300.0, log=True),
        "l2": Range(1e-8, 0.1, log=True),
        "dropout": (0.0, 0.1, 0.2, 0.4),
        "pooling": ("mean", "user_attention"),
        "own_history_vectors": (False, True),
        "bias": (False, True),
    }
    build_params: SimpleXParams

    def new_model(self, train: Interactions) -> Factors:
        """See `LearnedRetriever`; of a log of `with_users`."""
        params = self.build_params
        return CosineFactors(
            train,
            self._new_encoder(train.n_users),
            params.l2,
            self.device,
            params.init_std,
            own_history_vectors=params.own_history_vectors,
        )

    def _new_encoder(self, n_users: int) -> UserAndHistory:
        params = self.build_params
        return UserAndHistory(
            n_users, params.dim, params.g, params.dropout, params.pooling, bias=params.bias
        )
