"""MoL: rank items by a mixture of logits; exactly, or among the candidates of its components."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from harness.interactions import Queries
from harness.lists import Lists
from harness.progress import Progress, silent
from harness.retriever import Footprint
from harness.spaces import Range, Space
from harness.topk import TopK, concatenate
from methods.all_to_all.retriever import AllToAll
from methods.ann.choice import SETTINGS
from methods.candidates import best_of
from methods.interactions.blocks import DEVICE_NUMBERS, HOST_NUMBERS
from methods.interactions.interaction import Sides, take
from methods.interactions.mixture_of_logits import MixtureOfLogits
from methods.learned_similarity.component_index import ComponentIndex
from methods.learned_similarity.params import MoLParams, MoLSearch
from methods.learned_similarity.two_pass import two_pass_scores

INDEX = "components"  # folder of the saved component index
PAIRS = 1 << 14  # of query and candidate that are scored at once


class MoL(AllToAll):
    """Rank items by a mixture of logits, whose components are inner products that an index finds.

    phi(q, i) = sum_p pi_p(q, i) <f_p(q), g_p(i)> / temperature

    P_Q vectors of the query and P_X of the item, all of length 1, make P_Q * P_X components p, and
    a gate pi, a softmax over them, reads query, item and the components: see
    `methods.interactions.mixture_of_logits.MixtureOfLogits`, here without the inner product beside.
    Encoders, towers, losses and negatives are those of all-to-all.

    ``algorithm`` says how it is searched. As pi sums up to 1, phi is at most max_p <f_p, g_p> /
    temperature.

    - ``exhaustive``: every item. n_items * P_Q * P_X * (component_dim + 2 P_Q * P_X)
      multiplications a query.
    - ``two_pass``: the same answers, by that bound; see `methods.learned_similarity.two_pass`. All
      inner products and the best of each component, but the gate for a part of the items alone:
      worth it where the gate costs more than choosing, which on a CPU it need not. Memory: P_Q *
      P_X numbers for each pair of a query in a block and an item.
    - ``candidates``: the union of ``per_component`` items for each component and ``averaged`` by
      the mean of all, scored by phi; the rest of the catalogue is not. What is lost is known from
      the bound: let c be the largest of the components' lowest scores taken, over temperature.
      With an exact index no item left out has phi > c, so the answers from the top down to c are
      those of the exhaustive search; where all items are taken, all are. `score` stays exhaustive,
      so ``ann_recall`` says what is lost. Costs (P_Q * P_X + 1) searches and holds the item
      components a second time, in the indexes.

    What the papers have and this has not: dropout in the gate, the loss that balances components,
    components taken from user and item ids by hashing, and the hierarchical search of the first.

    References
    ----------
    Zhai et al., "Revisiting Neural Retrieval on Accelerators", KDD 2023 (MoL). Ding and Zhai,
    "Retrieval with Learned Similarities", WWW 2025 (RAILS: two passes, candidates by component, by
    the mean, and both).
    """

    BuildParams: ClassVar[type[MoLParams]] = MoLParams
    SearchParams: ClassVar[type[MoLSearch]] = MoLSearch
    TuneSpace: ClassVar[Space] = {
        "learning_rate": Range(5e-4, 5e-2, log=True),
        "dim": (32, 64, 128),
        "n_negatives": (64, 256, 1024),
        "weight_decay": (0.0, 1e-3, 1e-2, 1e-1),
        "temperature": (0.05, 0.1, 0.2),
    }
    index_params: frozenset[str] = SETTINGS | {"algorithm"}
    search_stages: ClassVar[tuple[str, ...]] = (
        "encode",
        "transfer",
        "candidates",
        "scoring",
        "top_k",
    )
    build_stages: ClassVar[tuple[str, ...]] = ("item_vectors", "index_build")
    kind: ClassVar[str] = "mixture_of_logits"

    build_params: MoLParams
    search_params: MoLSearch
    _interaction: MixtureOfLogits
    _index: ComponentIndex | None

    def __init__(
        self,
        build_params: Any = None,
        *,
        device: str = "cpu",
        seed: int = 0,
        progress: Progress = silent,
    ) -> None:
        """Keep the parameters; refuse an index that cannot run on the device, before training."""
        super().__init__(build_params, device=device, seed=seed, progress=progress)
        params = self.build_params
        self.exact = params.algorithm != "candidates"
        self._index, self._products = None, 0
        if not self.exact:
            self._index = ComponentIndex(params, params.item_components, device=device, seed=seed)

    def _new_interaction(self, item_width: int) -> MixtureOfLogits:
        params = self.build_params
        return MixtureOfLogits(
            params.dim,
            item_width,
            params.component_dim,
            token_parts=params.query_components,
            item_parts=params.item_components,
            plain=True,
            temperature=params.temperature,
        )

    def build(self) -> None:
        """Compute what items bring, and index their components where candidates are taken."""
        super().build()
        if self._index is not None:
            self._index.add(self._items[0].cpu().numpy())
        self.mark("index_build")

    def search(self, queries: Queries, k: int) -> TopK:
        """Return the k best, by the algorithm of the build parameters."""
        if self._index is not None:
            return self._among_candidates(queries, self._index, k)
        self._products += len(queries) * len(self._items[0]) * self._interaction.n_components
        if self.build_params.algorithm == "exhaustive":
            return super().search(queries, k)
        return self._in_two_passes(queries, k)

    def _in_two_passes(self, queries: Queries, k: int) -> TopK:
        """Search in blocks of queries whose components are held at once."""
        tokens, n_items = self._encode(queries), len(self._items[0])
        self.mark("encode")
        held = HOST_NUMBERS if self.device == "cpu" else DEVICE_NUMBERS
        rows = max(1, held // (n_items * self._interaction.n_components))
        found = []
        for start in range(0, max(len(queries), 1), rows):
            block = take(tokens, slice(start, start + rows))
            hidden = queries.hidden.take(np.arange(start, min(start + rows, len(queries))))
            found.append(self._block_in_two_passes(block, hidden, k))
        return concatenate(found)

    def _block_in_two_passes(self, tokens: Sides, hidden: Lists, k: int) -> TopK:
        pairs = tuple(torch.from_numpy(one).to(self.device) for one in (hidden.rows, hidden.ids))
        with torch.inference_mode():
            rows, ids, scores = two_pass_scores(
                self._interaction, tokens, self._items, (pairs[0], pairs[1]), k
            )
        self._distances += len(ids)
        self.mark("scoring")
        at, items = rows.cpu().numpy(), ids.cpu().numpy()
        return self._best_of(Lists.from_pairs(at, items, len(hidden)), scores, k)

    def _among_candidates(self, queries: Queries, index: ComponentIndex, k: int) -> TopK:
        """Take what the index finds and score it."""
        tokens = self._encode(queries)
        self.mark("encode")
        components = tokens[0].cpu().numpy()
        found = index.candidates(components, queries.hidden, self.search_params, self._in_index)
        self.mark("candidates")
        self._distances += found.ids.size
        self._products += found.ids.size * self._interaction.n_components
        scores = self._scores_of(tokens, found)
        self.mark("scoring")
        return self._best_of(found, scores, k)

    def _in_index(self, stage: str) -> None:
        """Take note of nothing: all that the index does is one stage, ``candidates``."""

    def _scores_of(self, tokens: Sides, candidates: Lists) -> Tensor:
        """Return phi of each query with its candidates, one after another, on the device."""
        rows, ids = (
            torch.functional.split(torch.from_numpy(one).to(self.device), PAIRS)
            for one in (candidates.rows, candidates.ids)
        )
        with torch.inference_mode():
            parts = [
                self._interaction.own(take(tokens, some), take(self._items, others))
                for some, others in zip(rows, ids, strict=True)
            ]
            return torch.cat(parts)

    def _best_of(self, candidates: Lists, scores: Tensor, k: int) -> TopK:
        on_host = scores.cpu().numpy()
        if self.device != "cpu":
            self.mark("transfer")
        best = best_of(candidates, on_host, k)
        self.mark("top_k")
        return best

    def save(self, folder: Path) -> None:
        """Write what all-to-all writes, and the index of components where there is one."""
        super().save(folder)
        if self._index is not None:
            self._index.save(folder / INDEX)

    def load(self, folder: Path) -> None:
        """Become what `save` wrote; the training log is not needed."""
        super().load(folder)
        if self._index is not None:
            self._index.load(folder / INDEX)

    def counters(self) -> Mapping[str, int]:
        """Return component products computed by searches, and the items scored by the gate."""
        of_index = 0 if self._index is None else self._index.distances
        return {"distances": self._products + of_index, "candidates": self._distances}

    def footprint(self) -> Footprint:
        """Return the account of all-to-all and the bytes of the index of components."""
        account = super().footprint()
        of_index = 0 if self._index is None else self._index.nbytes
        return dataclasses.replace(account, index_bytes=account.index_bytes + of_index)
