"""SparCode's side of the race: posting lists, drawn by lot or made from the vectors, and merged."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

import numba
import numpy as np

from harness.arrays import load_arrays, save_arrays
from harness.lists import Lists
from methods.sparcode.index.code_postings import best_postings, nearest_codes
from methods.sparcode.index.packed import PackedPostings, pack
from methods.sparcode.index.postings import Postings
from methods.sparcode.serving.merge import merge_into
from methods.sparcode.spherical_kmeans import spherical_kmeans
from micro.race_rivals import Contender, clocked

CODEWORDS, PARTS = 256, 2  # of a composite code: 65,536 lists
N_LISTS = CODEWORDS**PARTS
SHAPES = ((8, 256), (16, 1024))  # lists a query, postings a list
MOST_CODES = 16_384  # of the lists made from the vectors
PER_CODE, ITERATIONS = 8, 4


@dataclass(frozen=True)
class Case:
    """Posting lists both ways, and the lists that each query reads, int64 (n_queries, K)."""

    name: str
    postings: Postings
    packed: PackedPostings
    lists: np.ndarray
    built: Mapping[str, float]  # what `clocked` says of building

    @property
    def n_items(self):
        return self.packed.items.size


def zipf_case(arena, n_lists, length, seed=0):
    """Return 65,536 lists of ``length`` items drawn by a Zipf law of exponent 1, none twice.

    Item r has a probability in proportion to log((r + 2) / (r + 1)). Scores are absolute values of
    normal numbers; a query reads lists drawn evenly.
    """
    n_items = arena.n_items
    items = np.sort(_draw_zipf(N_LISTS, min(length, n_items // 2), n_items, seed), axis=1)
    random = np.random.default_rng(seed)
    scores = np.abs(random.standard_normal(items.shape, dtype=np.float32)) + np.float32(1e-3)
    starts = np.arange(N_LISTS + 1, dtype=np.int64) * items.shape[1]
    postings = Postings(starts, items.ravel(), scores.ravel())
    by_popularity = np.arange(n_items)[::-1]
    packed, built = clocked(lambda: pack(postings, by_popularity, n_lists), arena.threads)
    lists = random.integers(N_LISTS, size=(len(arena.queries), n_lists))
    return Case(f"zipf {n_lists} x {length}", postings, packed, lists, built)


@numba.njit(cache=True)
def _draw_zipf(n_lists, length, n_items, seed):
    np.random.seed(seed)  # noqa: NPY002  numba's own generator
    items = np.empty((n_lists, length), np.int32)
    stamp = np.full(n_items, -1, np.int32)
    top = np.log(n_items + 1.0)
    for row in range(n_lists):
        count = 0
        while count < length:
            item = min(int(np.exp(np.random.random() * top)) - 1, n_items - 1)  # noqa: NPY002
            if stamp[item] != row:
                stamp[item] = row
                items[row, count] = item
                count += 1
    return items


def vector_cases(arena):
    """Yield lists of the items of the largest inner products of k-means codewords, K nearest read.

    They are what the method `posting_lists` builds; the codes a query reads are its nearest.
    """
    n_codes = min(MOST_CODES, arena.n_items // 8)
    longest = max(length for _, length in SHAPES)
    folder = arena.cache / "lists"
    facts = folder / "facts.json"
    if not facts.exists():
        folder.mkdir(exist_ok=True)
        codewords, found = clocked(
            lambda: spherical_kmeans(arena.items, n_codes, PER_CODE, ITERATIONS, 0), arena.threads
        )
        postings, scored = clocked(
            lambda: best_postings(codewords, arena.items, longest, lambda *_: None), arena.threads
        )
        save_arrays(folder, "race", {"codewords": codewords, **postings._asdict()})
        facts.write_text(json.dumps(summed(found, scored)))
    arrays, _ = load_arrays(folder, "race")
    codewords, longer = arrays.pop("codewords"), Postings(**arrays)
    made = json.loads(facts.read_text())
    for n_lists, length in SHAPES:
        postings = longest_first(longer, length)
        popularity = np.bincount(postings.items, minlength=arena.n_items)
        packed, added = clocked(
            lambda p=postings, r=popularity, n=n_lists: pack(p, r, n), arena.threads
        )
        lists = np.asarray(nearest_codes(arena.queries, codewords, n_lists))
        name = f"vectors {n_lists} x {length}"
        yield Case(name, postings, packed, lists, summed(made, added)), codewords


def summed(first, second):
    """Return what two steps of building took together."""
    return {**first, **{name: first[name] + second[name] for name in ("build_s", "build_cpu_s")}}


def longest_first(postings, length):
    """Return the lists cut to their ``length`` best, ids ascending again."""
    owner = np.repeat(np.arange(postings.lengths.size), postings.lengths)
    order = np.lexsort((postings.items, -postings.scores, owner))
    rank = np.arange(owner.size) - np.repeat(postings.starts[:-1], postings.lengths)
    kept = np.sort(order[rank < length])
    counts = np.bincount(owner[kept], minlength=postings.lengths.size)
    starts = np.concatenate(([0], np.cumsum(counts))).astype(np.int64)
    return Postings(starts, postings.items[kept], postings.scores[kept])


def float_merge(case, k):
    """Return the float32 merge that is the reference."""
    totals, hidden = np.zeros(case.n_items, np.float32), Lists.empty(1)
    none, empty = hidden.indptr, hidden.ids
    zeros = np.zeros(case.lists.shape[0] + 1, np.int64)

    def merge(lists):
        starts = none if len(lists) == 1 else zeros[: len(lists) + 1]
        return merge_into(totals, *case.postings, lists, starts, empty, k)[:2]

    return contender(case, "float32", merge, case.postings.nbytes, totals.nbytes)


def heap_merge(case, k):
    """Return the plain way: a float32 accumulator, then a heap of the k best."""
    totals = np.zeros(case.n_items, np.float32)

    def merge(lists):
        return _heap_merge(totals, *case.postings, lists, k)

    return contender(case, "heap", merge, case.postings.nbytes, totals.nbytes)


def contender(case, kind, merge, lists_bytes, scratch_bytes, recall=None, kept=None, front=None):
    """Return a merge as it runs in the race; ``front`` turns query numbers into lists."""
    lists = case.lists

    def one(number):
        return merge(lists[number : number + 1] if front is None else front(number, number + 1))

    def many(first, after):
        return merge(lists[first:after] if front is None else front(first, after))

    read = int(case.packed.lengths[lists].sum(axis=1).mean())
    return Contender(
        f"{case.name}, {kind}",
        f"{case.packed.lengths.size:,} lists",
        one,
        many,
        recall,
        lists_bytes + scratch_bytes,
        case.built,
        read,
        case.packed.entries.size,
        lists_bytes,
        kept,
    )


@numba.njit(cache=True, nogil=True)
def _heap_merge(totals, starts, items, scores, lists, k):
    n = lists.shape[0]
    ids = np.full((n, k), -1, np.int64)
    best = np.full((n, k), -np.inf, np.float32)
    longest = 0
    for q in range(n):
        length = 0
        for column in range(lists.shape[1]):
            length += starts[lists[q, column] + 1] - starts[lists[q, column]]
        longest = max(longest, length)
    touched = np.empty(longest, np.int32)
    heap_scores, heap_ids = np.empty(k, np.float32), np.empty(k, np.int32)
    for q in range(n):
        count = 0
        for column in range(lists.shape[1]):
            one = lists[q, column]
            for place in range(starts[one], starts[one + 1]):
                item = items[place]
                if totals[item] == 0.0:
                    touched[count] = item
                    count += 1
                totals[item] += scores[place]
        size = 0
        for place in range(count):
            item = touched[place]
            total = totals[item]
            totals[item] = 0.0
            if size < k:
                child = size
                size += 1
                while child > 0 and heap_scores[(child - 1) // 2] > total:
                    heap_scores[child] = heap_scores[(child - 1) // 2]
                    heap_ids[child] = heap_ids[(child - 1) // 2]
                    child = (child - 1) // 2
                heap_scores[child], heap_ids[child] = total, item
            elif total > heap_scores[0]:
                _sift_down(heap_scores, heap_ids, size, total, item)
        for rank in range(size - 1, -1, -1):
            ids[q, rank], best[q, rank] = heap_ids[0], heap_scores[0]
            size -= 1
            _sift_down(heap_scores, heap_ids, size, heap_scores[size], heap_ids[size])
    return ids, best


@numba.njit(cache=True, nogil=True)
def _sift_down(heap_scores, heap_ids, size, total, item):
    parent = 0
    while 2 * parent + 1 < size:
        child = 2 * parent + 1
        if child + 1 < size and heap_scores[child + 1] < heap_scores[child]:
            child += 1
        if heap_scores[child] >= total:
            break
        heap_scores[parent], heap_ids[parent] = heap_scores[child], heap_ids[child]
        parent = child
    heap_scores[parent], heap_ids[parent] = total, item
