"""AllToAll: score every item of the catalogue by any interaction; the bound that others near."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch

from harness.arrays import load_arrays, save_arrays
from harness.interactions import Interactions, Queries
from harness.lists import FloatArray, IntArray
from harness.retriever import Capability, Footprint
from harness.spaces import Range, Space
from harness.topk import TopK
from methods.all_to_all.model import AllToAllModel
from methods.batches import serving_history
from methods.encoders.params import EncoderParams
from methods.encoders.query_tower import QueryTower
from methods.encoders.state import load_state, state_arrays
from methods.exhaustive import best_of_all
from methods.interactions.choice import InteractionName, make_interaction
from methods.interactions.interaction import Interaction, Sides, take
from methods.training import LearnedRetriever


@dataclass(frozen=True, slots=True)
class InteractionParams(EncoderParams):
    """Size; the query's encoder and how to train, see `EncoderParams`.

    Attributes
    ----------
    dim : length of the query's vector and of every embedding before it.
    hidden : units of the query tower's hidden layer and of ``gru4rec``.
    """

    dim: int = 64
    hidden: int = 128


@dataclass(frozen=True, slots=True)
class AllToAllParams(InteractionParams):
    """Size and form, see `InteractionParams`, whose ``hidden`` is the interaction's width too.

    Attributes
    ----------
    interaction : what scores a query and an item, see `methods.interactions`.
    """

    interaction: InteractionName = "mlp"

    def __post_init__(self) -> None:
        self.check_positive("dropout")
        self.check_scores("all_to_all")
        self.check_encoder(self.dim)


class AllToAll(LearnedRetriever[AllToAllModel]):
    """Rank items by an interaction of query and item that no index serves: every pair is scored.

    It is what is called the upper bound of retrieval by that interaction: encoders, loss, negatives
    and training are those of the two towers, the interaction is SparCode's, and neither codes nor
    an index lose anything. No theorem: several tokens, or other training, may come out above. With
    the interaction ``dot`` it is the two-tower model, but for a square matrix on the query's side.

    Cost: a search computes n_items interactions a query. What an item brings to them is computed
    when building and held in memory: from dim numbers an item (``dot``) to several hundred.

    References
    ----------
    Su et al., "Beyond Two-tower Matching: Learning Sparse Retrievable Cross-interactions for
    Recommendation", SIGIR 2023 (all-to-all interaction as the bound of SparCode).
    """

    BuildParams: ClassVar[type[InteractionParams]] = AllToAllParams
    TuneSpace: ClassVar[Space] = {
        "learning_rate": Range(5e-4, 5e-2, log=True),
        "dim": (32, 64, 128),
        "n_negatives": (64, 256, 1024),
        "weight_decay": (0.0, 1e-3, 1e-2, 1e-1),
    }
    capabilities: ClassVar[frozenset[Capability]] = LearnedRetriever.capabilities | {
        Capability.SCORE,
        Capability.SAVE,
        Capability.COUNTERS,
    }
    devices: ClassVar[tuple[str, ...]] = ("cpu", "cuda")
    search_stages: ClassVar[tuple[str, ...]] = ("encode", "transfer", "scoring", "top_k")
    build_stages: ClassVar[tuple[str, ...]] = ("item_vectors",)
    kind: ClassVar[str] = "all_to_all"

    build_params: InteractionParams

    def new_model(self, train: Interactions) -> AllToAllModel:
        """See `LearnedRetriever`."""
        params = self.build_params
        return AllToAllModel(
            train, params.dim, params.hidden, self._new_interaction, self.device, params
        )

    def _new_interaction(self, item_width: int) -> Interaction:
        """Return the interaction, untrained, for item features of a width."""
        params = self.build_params
        assert isinstance(params, AllToAllParams), "whoever has other parameters makes its own"
        return make_interaction(params.interaction, params.dim, item_width, params.hidden)

    def build(self) -> None:
        """Compute what all items bring to the interaction."""
        model = self._model
        with torch.inference_mode():
            self._items: Sides = tuple(one.contiguous() for one in model.catalogue_sides())
            self._item_table = model.items.history_table()
        self._query_tower, self._interaction = model.query_tower, model.interaction
        self._item_width, self._distances = model.items.width, 0
        self.mark("item_vectors")

    def search(self, queries: Queries, k: int) -> TopK:
        """Score every item for every query, in blocks of queries, and take the best."""
        n_items = len(self._items[0])
        tokens = self._encode(queries)
        self.mark("encode")
        self._distances += len(queries) * n_items
        return best_of_all(
            lambda rows: self._interaction.pairs(take(tokens, rows), self._items),
            n_items, queries.hidden, k, self.device, self.mark,
        )  # fmt: skip

    def _encode(self, queries: Queries) -> Sides:
        """Return what queries bring to the interaction."""
        history = serving_history(queries, self._ordered, self.build_params.max_history)
        with torch.inference_mode():
            vectors = self._query_tower(history, queries.fields, self._item_table)
            return self._interaction.of_tokens(vectors)

    def score(self, queries: Queries, item_ids: IntArray) -> FloatArray:
        """Return the interaction's scores, float32 (n, n_item_ids)."""
        items = take(self._items, torch.from_numpy(item_ids).to(self.device))
        with torch.inference_mode():
            scores = self._interaction.pairs(self._encode(queries), items)
        return np.asarray(scores.cpu().numpy())

    def save(self, folder: Path) -> None:
        """Write what items bring, and the weights of query tower and interaction."""
        arrays = {
            "item_table": self._item_table.detach().cpu().numpy(),
            **{f"items.{place}": one.cpu().numpy() for place, one in enumerate(self._items)},
            **state_arrays(self._query_tower, "query_tower"),
            **state_arrays(self._interaction, "interaction"),
        }
        facts = {"item_width": self._item_width, **self.log_and_training_facts()}
        save_arrays(folder, self.kind, arrays, facts)

    def load(self, folder: Path) -> None:
        """Become what `save` wrote; the training log is not needed."""
        arrays, facts = load_arrays(folder, self.kind)
        self.take_log_and_training_facts(facts)
        params = self.build_params
        self._item_width, self._distances = int(facts["item_width"]), 0
        self._query_tower = QueryTower(
            self._query_schema, params.dim, params.hidden, self.device, params
        )
        load_state(self._query_tower, "query_tower", arrays, self.device)
        self._interaction = self._new_interaction(self._item_width)
        load_state(self._interaction, "interaction", arrays, self.device)
        sides = [f"items.{n}" for n in range(len(arrays)) if f"items.{n}" in arrays]
        self._item_table, *items = (
            torch.from_numpy(arrays[name]).to(self.device, copy=True)
            for name in ("item_table", *sides)
        )
        self._items = tuple(items)

    def counters(self) -> Mapping[str, int]:
        """Return interactions of a query and an item computed by searches."""
        return {"distances": self._distances}

    def footprint(self) -> Footprint:
        """Return the bytes of what items bring, of the query's encoder and of the interaction."""
        weights = [*self._query_tower.parameters(), *self._interaction.parameters()]
        held = [*self._items, self._item_table, *weights]
        return self.account(sum(one.numel() * one.element_size() for one in held), {})
