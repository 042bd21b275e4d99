"""The rivals of the race: vector indexes, each at the setting that reaches the agreement asked."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any, get_args

import faiss
import numpy as np

from harness.errors import MethodError
from harness.measure.threads import set_threads
from methods.ann.euclidean import VectorSpace
from methods.ann.hnsw import FaissHNSW
from methods.ann.scann_index import ScannIndex

EF_CONSTRUCTION = 100  # of HNSW; faiss's own default is 40
NLISTS = (2, 4, 8)  # times the square root of n_items
K_FACTORS = (2, 4, 8, 16)
REORDERS = (150, 200, 300, 500)
# ScaNN: cells as times the square root of n_items, and SOAR's lambda
SCANN = ((1, 0.0), (2, 0.0), (2, 1.5))
QUICK_CALLS, QUICK_TURNS = 100, 3


@dataclass(frozen=True)
class Contender:
    """What runs in the race.

    Attributes
    ----------
    one : answers query i alone. many : answers queries first..after at once.
    recall : ann_recall@k of what it returns; None where there is nothing to agree with.
    kept : of a packed merge, the share of the float32 merge's k best among its own.
    prepare : called before each sample, untimed: one index may stand for several settings.
    """

    name: str
    setting: str
    one: Callable[[int], Any]
    many: Callable[[int, int], Any]
    recall: float | None = None
    index_bytes: int = 0
    built: Mapping[str, float] = field(default_factory=dict)  # what `clocked` says of building
    postings: int = 0  # read by one query
    stored_postings: int = 0
    lists_bytes: int = 0
    kept: float | None = None
    prepare: Callable[[], None] = lambda: None


@dataclass(frozen=True)
class Made:
    """An index of faiss, what building it took and its bytes as faiss writes it."""

    index: Any
    built: Mapping[str, float]
    n_bytes: int


class Arena:
    """The vectors, the queries, and the folder where built indexes are kept.

    Agreement with exact search is judged by the first ``n_judged`` queries.
    """

    def __init__(self, items, queries, k, cache: Path, n_judged, target, threads, hnsw_m) -> None:
        self.items, self.queries, self.k, self.cache = items, queries, k, cache
        self.judged = queries[:n_judged]
        self.target, self.threads, self.hnsw_m = target, threads, hnsw_m

    @property
    def n_items(self):
        return len(self.items)

    def find_exact(self):
        """Compute the exact answers, ids (n_queries, k), once for a cache."""
        path = self.cache / f"exact-{len(self.judged)}-of-{len(self.queries)}-{self.k}.npy"
        if not path.exists():
            np.save(path, flat_index(self.items).search(self.judged, self.k)[1])
        self.exact = np.sort(np.load(path), axis=1)

    def recall(self, ids):
        """Return the mean share of the exact k best among ids (n_queries, >= k)."""
        return overlap(self.exact, ids)

    def smallest(self, recall_at, low, high):
        """Return the least whole setting in low..high whose recall reaches the target, or None.

        Recall is taken to grow with the setting: doubled until it is reached, then bisected.
        """
        below, value = low - 1, low
        while recall_at(value) < self.target:
            if value == high:
                return None
            below, value = value, min(2 * value, high)
        while value - below > 1:
            middle = (below + value) // 2
            below, value = (below, middle) if recall_at(middle) >= self.target else (middle, value)
        return value

    def quick_s(self, one):
        """Return seconds a call of one thread: the median of a few short turns."""
        set_one_thread()
        turns = []
        for _ in range(QUICK_TURNS):
            begun = time.perf_counter()
            for number in range(QUICK_CALLS):
                one(number % len(self.queries))
            turns.append((time.perf_counter() - begun) / QUICK_CALLS)
        set_all_threads(self.threads)
        return float(np.median(turns))


def overlap(wanted, found):
    """Return the mean share of each wanted row, ids (n, k), that is among the found ones."""
    shares = [np.isin(one, other).mean() for one, other in zip(wanted, found, strict=True)]
    return float(np.mean(shares))


def set_one_thread():
    set_threads(1)
    faiss.omp_set_num_threads(1)


def set_all_threads(n_threads):
    set_threads(n_threads)
    faiss.omp_set_num_threads(n_threads)


def rivals(arena, only):
    """Yield every rival that is installed and asked for, at its smallest setting of the target."""
    makers = (flat, hnsw, ivf, ivf_pq, ivf_pq_fast_scan, scann)
    for make in makers:
        name = make.__name__
        if only and name not in only:
            continue
        set_all_threads(arena.threads)
        try:
            found = list(make(arena))
        except MethodError as error:
            yield name, str(error)
            continue
        if not found:
            yield name, f"does not reach ann_recall@{arena.k} = {arena.target}"
            continue
        yield name, min(found, key=lambda one: one[0])[1]


def flat_index(items):
    index = faiss.IndexFlatIP(items.shape[1])
    index.add(items)
    return index


def flat(arena):
    """Every inner product."""
    index, facts = clocked(lambda: flat_index(arena.items), arena.threads)
    made = Made(index, facts, arena.items.nbytes)
    yield 0.0, contender(arena, "flat", "exact", made, 1.0, lambda: None)


def hnsw(arena):
    """The graph of faiss, for each M, of neighbours by distance and by product (`FaissHNSW`).

    efSearch starts at k, for faiss takes at least that.
    """
    for m, space in product(arena.hnsw_m, get_args(VectorSpace)):

        def make(m=m, space=space):
            index = FaissHNSW(m, EF_CONSTRUCTION, space)
            index.add(arena.items)
            return index.of_faiss

        made = built(arena, f"hnsw-{space}-m{m}-efc{EF_CONSTRUCTION}", make)

        def set_to(value, graph=made.index.hnsw):
            graph.efSearch = value

        setting = f"{space}, M {m}, efC {EF_CONSTRUCTION}, efSearch"
        yield from tried(arena, "hnsw", setting, made, set_to, arena.k, 64 * arena.k)


def ivf(arena):
    """Whole vectors in cells, for each number of cells."""
    for times in NLISTS:
        nlist = max(1, round(times * arena.n_items**0.5))
        made = built(arena, f"ivf{nlist}", lambda n=nlist: factory(arena, f"IVF{n},Flat"))

        def set_to(value, index=made.index):
            index.nprobe = value

        yield from tried(arena, "ivf", f"nlist {nlist}, nprobe", made, set_to, 1, nlist)


def ivf_pq(arena):
    """Codes of a byte for two dimensions (32 of them), then exact products of k_factor * k."""
    yield from refined(arena, "ivf_pq", "PQ32")


def ivf_pq_fast_scan(arena):
    """Codes of four bits for two dimensions, compared in registers, then exact products."""
    yield from refined(arena, "ivf_pq_fast_scan", "PQ32x4fs")


def refined(arena, name, codes):
    nlist = max(1, round(4 * arena.n_items**0.5))
    made = built(arena, name, lambda: factory(arena, f"IVF{nlist},{codes},RFlat"))
    base = faiss.downcast_index(made.index.base_index)
    for factor in K_FACTORS:

        def set_to(value, factor=factor):
            base.nprobe, made.index.k_factor = value, factor

        setting = f"nlist {nlist}, {codes}, refine {factor} k, nprobe"
        yield from tried(arena, name, setting, made, set_to, 1, nlist)


def factory(arena, description):
    index = faiss.index_factory(arena.items.shape[1], description, faiss.METRIC_INNER_PRODUCT)
    index.train(arena.items)
    index.add(arena.items)
    return index


def tried(arena, name, setting, made, set_to, low, high):
    """Yield seconds a call and the contender at its smallest setting, if that reaches the target.

    ``set_to`` is given the value of the search parameter.
    """

    def recall_at(value):
        set_to(value)
        return arena.recall(made.index.search(arena.judged, arena.k)[1])

    found = arena.smallest(recall_at, low, high)
    if found is not None:
        recall = recall_at(found)
        one = contender(arena, name, f"{setting} {found}", made, recall, lambda: set_to(found))
        yield arena.quick_s(one.one), one


def contender(arena, name, setting, made, recall, prepare):
    queries, k, search = arena.queries, arena.k, made.index.search
    return Contender(
        name,
        setting,
        lambda i: search(queries[i : i + 1], k),
        lambda first, after: search(queries[first:after], k),
        recall,
        made.n_bytes,
        made.built,
        prepare=prepare,
    )


def scann(arena):
    """ScaNN at several numbers of cells, with and without a second cell for each vector."""
    for times, soar in SCANN:
        leaves = max(1, round(times * arena.n_items**0.5))
        index = ScannIndex(leaves, 2, 0.2, soar)
        folder = arena.cache / f"scann-{leaves}-{soar:g}"
        facts = folder / "facts.json"
        if not facts.exists():
            folder.mkdir(exist_ok=True)
            _, clock = clocked(lambda one=index: one.add(arena.items), arena.threads)
            index.save(folder)
            facts.write_text(json.dumps(clock))
        index.load(folder)
        took = json.loads(facts.read_text())
        for reorder in REORDERS:
            yield from scann_at(arena, index, f"{leaves} leaves, SOAR {soar:g}", reorder, took)


def scann_at(arena, index, setting, reorder, took):
    k, queries, searcher = arena.k, arena.queries, index.searcher
    index.reorder = reorder

    def recall_at(value):
        index.leaves_to_search = value
        return arena.recall(index.search(arena.judged, k).ids)

    found = arena.smallest(recall_at, 1, index.leaves)
    if found is None:
        return
    one = Contender(
        "scann",
        f"{setting}, {found} searched, reorder {reorder}",
        lambda i: searcher.search(queries[i], k, reorder, found),
        lambda first, after: searcher.search_batched(queries[first:after], k, reorder, found),
        recall_at(found),
        index.nbytes,
        took,
    )
    yield arena.quick_s(one.one), one


def built(arena, key, make):
    """Return a faiss index from the cache, or build it into it."""
    path = arena.cache / f"{key}.faiss"
    facts = path.with_name(path.name + ".json")
    if not facts.exists():
        index, clock = clocked(make, arena.threads)
        faiss.write_index(index, str(path))
        facts.write_text(json.dumps(clock))
    return Made(faiss.read_index(str(path)), json.loads(facts.read_text()), path.stat().st_size)


def clocked(make, threads):
    """Return what ``make`` returns, and the seconds, CPU seconds and threads of it."""
    begun, cpu = time.perf_counter(), time.process_time()
    made = make()
    facts = {"build_s": time.perf_counter() - begun, "build_cpu_s": time.process_time() - cpu}
    return made, facts | {"build_threads": threads}
