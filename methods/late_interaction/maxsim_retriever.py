"""MaxSim: late interaction of a query's and an item's tokens, exact or from cells of tokens."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from harness.arrays import load_arrays, save_arrays
from harness.errors import MethodError
from harness.interactions import Interactions, Queries
from harness.lists import FloatArray, IntArray
from harness.progress import Progress, silent
from harness.retriever import Capability, Footprint
from harness.spaces import Range, Space
from harness.topk import TopK
from methods.batches import Batch, serving_history
from methods.encoders.state import load_state, state_arrays
from methods.exhaustive import best_of_all
from methods.late_interaction.cell_search import CellSearch
from methods.late_interaction.cells import TokenCells
from methods.late_interaction.maxsim import maxsim
from methods.late_interaction.maxsim_model import MaxSimModel, QuerySide
from methods.late_interaction.maxsim_params import MaxSimParams, MaxSimSearch
from methods.training import LearnedRetriever

SERVED_PRODUCTS = 1 << 20  # products of tokens held at once while searching: 4 MiB
NO_TARGETS = np.zeros(0, np.int64)


class MaxSim(LearnedRetriever[MaxSimModel]):
    """Score an item by the sum over a query's tokens of the best match among the item's tokens.

    Query tokens: a summary, the last T positions of the history, a token per field. Item tokens:
    ``id_tokens`` of the id, one per field. Encoders, losses, negatives and training are those of
    the two towers. With ``index = "exact"`` every item is scored, a product of matrices for each of
    its S tokens: n_items * S * L * token_dim multiplications a query of L tokens. With ``"cells"``
    one trained model is searched in two ways, by the search parameter ``stage``, and `score` stays
    the exhaustive sum, so ``ann_recall`` says what they lose:

    *ivf*: each token of the query looks into its ``nprobe`` nearest cells of item tokens; matches
    found there are added up item by item, and the best ``n_rescored`` items are scored exactly. A
    match that was not found counts as the centroid of the last cell probed (ColBERTv2 counts 0,
    which for inner products is no bound; XTR and WARP put in an estimate, as here).

    *plaid*: items with a token in the probed cells are compared by centroids in place of tokens,
    first by those whose cosine with a token of the query reaches ``t_cs``, then by all, and what is
    left is scored exactly. Tokens are kept as float32: PLAID's residual compression is left out.

    Other differences from the papers: tokens come from embeddings and the shared encoders, no
    language model; an item's tokens know nothing of each other, so items that share a field's value
    share its token, and lie in one cell with it. Not to be searched by two threads at a time.

    References
    ----------
    Khattab and Zaharia, "ColBERT", SIGIR 2020. Santhanam et al., "ColBERTv2: Effective and
    Efficient Retrieval via Lightweight Late Interaction", NAACL 2022, sec. 3.5 (ivf). Santhanam et
    al., "PLAID: An Efficient Engine for Late Interaction Retrieval", CIKM 2022, sec. 4.
    """

    BuildParams: ClassVar[type[MaxSimParams]] = MaxSimParams
    SearchParams: ClassVar[type[MaxSimSearch]] = MaxSimSearch
    TuneSpace: ClassVar[Space] = {
        "learning_rate": Range(5e-4, 5e-2, log=True),
        "dim": (64, 128),
        "token_dim": (32, 64),
        "query_tokens": (2, 8, 24),
        "id_tokens": (1, 2, 4),
        "n_negatives": (64, 256, 1024),
        "weight_decay": (0.0, 1e-3, 1e-2, 1e-1),
    }
    capabilities: ClassVar[frozenset[Capability]] = LearnedRetriever.capabilities | {
        Capability.SCORE,
        Capability.SAVE,
        Capability.COUNTERS,
    }
    index_params: frozenset[str] = frozenset({"index", "nlist", "train_per_list"})
    devices: ClassVar[tuple[str, ...]] = ("cpu", "cuda")
    search_stages: ClassVar[tuple[str, ...]] = (
        "encode",
        "transfer",
        "candidates",
        "scoring",
        "top_k",
    )
    build_stages: ClassVar[tuple[str, ...]] = ("item_vectors", "index_build")
    kind: ClassVar[str] = "maxsim"

    build_params: MaxSimParams
    search_params: MaxSimSearch
    _cells: CellSearch | None = None

    def __init__(
        self,
        build_params: Any = None,
        *,
        device: str = "cpu",
        seed: int = 0,
        progress: Progress = silent,
    ) -> None:
        """Keep the parameters; refuse cells on another device than the CPU, before training."""
        super().__init__(build_params, device=device, seed=seed, progress=progress)
        self.exact = self.build_params.index == "exact"
        if not self.exact and device != "cpu":
            raise MethodError(f"index = 'cells' runs on the CPU, not on {device}; 'exact' does")

    def new_model(self, train: Interactions) -> MaxSimModel:
        """See `LearnedRetriever`."""
        return MaxSimModel(train, self.build_params, self.device)

    def build(self) -> None:
        """Compute the tokens of all items, and lay them into cells where asked to."""
        params, model = self.build_params, self._model
        with torch.inference_mode():
            tokens = model.catalogue_tokens().contiguous()
            self._item_table = model.items.features.history_table()
        self._queries = model.queries
        self.mark("item_vectors")
        self._n_items, self._scored = len(tokens), 0
        if self.exact:
            self._tokens = tokens
        else:
            unit = params.similarity == "cosine"
            one = tokens.numpy(), params.nlist, params.train_per_list, self.seed
            self._cells = CellSearch(TokenCells.of(*one, unit=unit))
        self.mark("index_build")

    def search(self, queries: Queries, k: int) -> TopK:
        """Return the k best items, of all or of the candidates that ``search_params`` ask for."""
        tokens = self._encode(queries)
        self.mark("encode")
        if self._cells is not None:
            asked = tokens.numpy(), queries.hidden, k, self.search_params
            return self._cells.search(*asked, self.mark)
        self._scored += len(queries) * self._n_items
        return best_of_all(
            lambda rows: maxsim(tokens[rows], self._tokens, SERVED_PRODUCTS),
            self._n_items, queries.hidden, k, self.device, self.mark,
        )  # fmt: skip

    def _encode(self, queries: Queries) -> Tensor:
        """Return the tokens of queries, (n, L, token_dim), zeros where there is none."""
        history = serving_history(queries, self._ordered, self.build_params.max_history)
        with torch.inference_mode():
            inputs = self._queries.inputs(Batch(NO_TARGETS, history, queries.fields))
            tokens: Tensor = self._queries(inputs, self._item_table)
        return tokens

    def score(self, queries: Queries, item_ids: IntArray) -> FloatArray:
        """Return the sums of best matches, float32 (n, n_item_ids)."""
        with torch.inference_mode():
            if self._cells is not None:
                items = torch.from_numpy(self._cells.cells.tokens(item_ids))
            else:
                items = self._tokens[torch.from_numpy(item_ids).to(self.device)]
            scores = maxsim(self._encode(queries), items, SERVED_PRODUCTS)
        return np.asarray(scores.cpu().numpy())

    def save(self, folder: Path) -> None:
        """Write the items' tokens or cells, and all that encodes a query."""
        arrays = {
            "item_table": self._item_table.detach().cpu().numpy(),
            **state_arrays(self._queries, "queries"),
        }
        if self._cells is not None:
            arrays |= self._cells.cells.arrays()
        else:
            arrays["tokens"] = self._tokens.cpu().numpy()
        save_arrays(folder, self.kind, arrays, self.log_and_training_facts())

    def load(self, folder: Path) -> None:
        """Become what `save` wrote; neither model nor training log is needed."""
        arrays, facts = load_arrays(folder, self.kind)
        self.take_log_and_training_facts(facts)
        self._queries = QuerySide(
            self._query_schema, self.build_params, self.device, ordered=self._ordered
        )
        load_state(self._queries, "queries", arrays, self.device)
        self._item_table = torch.from_numpy(arrays["item_table"]).to(self.device, copy=True)
        self._n_items, self._scored = len(self._item_table), 0
        if self.exact:
            self._tokens = torch.from_numpy(arrays["tokens"]).to(self.device, copy=True)
        else:
            self._cells = CellSearch(TokenCells.of_arrays(arrays))

    def counters(self) -> Mapping[str, int]:
        """Return items scored exactly; with cells the rest of the work, see `CellSearch`."""
        if self._cells is None:
            return {"items": self._scored}
        done = self._cells
        return {
            "items": done.items,
            "candidates": done.candidates,
            "tokens": done.tokens,
            "centroids": done.centroids,
        }

    def footprint(self) -> Footprint:
        """Return the bytes of tokens or cells and of what encodes a query; tokens an item."""
        weights = [self._item_table, *self._queries.state_dict().values()]
        n_bytes = sum(one.numel() * one.element_size() for one in weights)
        if self._cells is not None:
            cells = self._cells.cells
            tokens, details = len(cells.vectors), {"cells": float(cells.nlist)}
            n_bytes += cells.nbytes
        else:
            tokens, details = self._tokens.shape[0] * self._tokens.shape[1], {}
            n_bytes += self._tokens.numel() * 4
        return self.account(n_bytes, {"tokens_per_item": tokens / self._n_items, **details})
