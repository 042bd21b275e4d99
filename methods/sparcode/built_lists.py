"""What building adds to a trained model: the codes that get a list, and the lists."""

import numpy as np

from harness.interactions import Interactions
from harness.progress import Progress
from harness.stages import Mark
from methods.sparcode.index.building import build_lists
from methods.sparcode.index.neighbours import neighbours_of
from methods.sparcode.index.packed import PackedPostings, pack
from methods.sparcode.index.scorer import CodeScorer
from methods.sparcode.model.final_lists import FinalLists
from methods.sparcode.params import SparCodeParams
from methods.sparcode.serving.lists_of_codes import CodesInUse
from methods.sparcode.serving.log_codes import codes_of_log
from methods.sparcode.serving.served_model import ServedModel


def codes_with_lists(
    served: ServedModel, stored: FinalLists, log: Interactions, params: SparCodeParams
) -> CodesInUse:
    """Return the codes of the training queries and, of codebooks with parts, those near them.

    Of a model that has final lists also the codes that have one.
    """
    starts = served.encoder.starts.cpu().numpy()
    coded = codes_of_log(served, log, params.max_history)
    used = CodesInUse.of(coded, starts, served.retired_codes)
    if stored:
        return used.with_others(np.setdiff1d(stored.codes, used.codes))
    quantizer = served.encoder.quantizer
    own = used.codes[used.codes < quantizer.n_books * quantizer.n_codes]
    books = quantizer.codebooks.detach().cpu().numpy()
    return used.with_others(
        neighbours_of(
            own,
            params.n_codewords,
            params.n_parts,
            books,
            params.neighbours,
            params.memory_budget_mb,
        )
    )


def packed_lists(
    served: ServedModel,
    stored: FinalLists,
    used: CodesInUse,
    log: Interactions,
    params: SparCodeParams,
    progress: Progress,
    mark: Mark,
) -> PackedPostings:
    """Return the posting list of each code, cut by the rules of ``params``, packed."""
    scorer: CodeScorer = served.scores.scorer_of(used.codes, bounded=params.bounds)
    if stored:
        scorer = stored.only(scorer, used.codes)
    postings = build_lists(
        scorer,
        params.cut,
        params.memory_budget_mb,
        lambda done, total: progress("postings", done, total),
        mark,
    )
    counts = np.bincount(log.item_ids, minlength=log.n_items)
    encoder = served.encoder
    weighted = encoder.tokenizer.n_tokens * params.n_nearest if params.n_nearest > 1 else 0
    return pack(postings, counts, encoder.n_tokens, rounded_lists=weighted)
