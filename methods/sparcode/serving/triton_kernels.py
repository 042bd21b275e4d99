# ruff: noqa: ANN001, ANN202  Triton reads annotations as names of its own
# mypy: disallow-untyped-defs=False, disallow-incomplete-defs=False
"""Two Triton kernels that merge packed posting lists: a program merges a query, all in one.

A program holds all postings of its query in registers and goes on to further queries. The kernels
differ in how the postings of one item find each other:

- `merge_by_rows` adds them by atomic additions into a row of the catalogue that is the program's
  own and all zero, then takes each sum out again by an atomic exchange with zero: of the postings
  of one item the first gets the sum and the others get zero, and the row is all zero again. Only
  places in use are touched.
- `merge_by_sort` sorts them in registers and adds up runs of one place. It needs no row, so no
  memory that grows with the catalogue; a weighted impact must fit the bits of an impact.

In both the k best are found by bisection over keys ``sum << id_bits | (largest id - item)``, which
no two items share, written out and put in order.
"""

try:
    import triton
    import triton.language as tl
except ImportError:  # torch for the CPU comes without it
    triton = None

AVAILABLE = triton is not None
_NUMBERS = ["n", "n_lists", "n_items", "k", "cut", "impact_bits", "impact_mask", "place_mask"]
_NUMBERS += ["id_bits", "id_mask"]  # one compiled kernel serves all their values

if triton is not None:

    @triton.jit
    def _read(
        q,
        starts,
        entries,
        lists,
        weights,
        n_lists,
        cut,
        impact_bits,
        impact_mask,
        place_mask,
        WEIGHTED: tl.constexpr,  # noqa: N803  Triton's way to write what is known when compiling
        WIDTH: tl.constexpr,  # noqa: N803
    ):
        """Return places and weighted impacts of a query's postings, and how many those are."""
        at = tl.arange(0, WIDTH)
        here = tl.zeros((WIDTH,), dtype=tl.int32)
        weight = tl.zeros((WIDTH,), dtype=tl.int32)
        total = tl.full((), 0, tl.int32)
        for begin in range(0, n_lists, 8):
            for step in tl.static_range(8):  # unrolled, so that one load waits for no other
                number = begin + step
                spot = tl.cast(q, tl.int64) * n_lists + number
                one = tl.load(lists + spot, mask=number < n_lists, other=-1)
                first = tl.load(starts + one, mask=one >= 0, other=0)
                last = tl.load(starts + one + 1, mask=one >= 0, other=0)
                here = tl.where(at >= total, at + (first.to(tl.int32) - total), here)
                if WEIGHTED:
                    factor = tl.load(weights + spot, mask=number < n_lists, other=0)
                    weight = tl.where(at >= total, factor, weight)
                total += tl.minimum(last - first, cut).to(tl.int32)
        entry = tl.load(entries + here, mask=at < total, other=0)
        place = (entry >> impact_bits) & place_mask
        impact = entry & impact_mask
        if WEIGHTED:
            impact = ((impact.to(tl.int64) * weight + 16384) >> 15).to(tl.int32)
        return place, impact, total

    @triton.jit
    def _answer(
        q,
        sums,
        place,
        items,
        scale,
        mine,
        ids,
        scores,
        n_items,
        k,
        id_bits,
        id_mask,
        BEST: tl.constexpr,  # noqa: N803
    ):
        """Write the k best of a query; return how many items have a sum above zero."""
        item = tl.load(items + place, mask=sums > 0, other=0)
        key = (sums.to(tl.int64) << id_bits) | (n_items - 1 - item).to(tl.int64)
        key = tl.where(sums > 0, key, 0)
        n_left = tl.sum((sums > 0).to(tl.int32), 0)
        # The largest floor that k keys reach; 1, so all of them, where there are no more than k.
        floor = tl.full((), 1, tl.int64)
        top = tl.where(n_left > k, tl.max(key, 0), floor)
        while floor < top:
            middle = floor + ((top - floor + 1) >> 1)
            reach = tl.sum((key >= middle).to(tl.int32), 0)
            floor = tl.where(reach >= k, middle, floor)
            top = tl.where(reach == k, middle, tl.where(reach > k, top, middle - 1))
        rank = tl.cumsum((key >= floor).to(tl.int32), 0) - 1
        tl.store(mine + rank, key, mask=key >= floor)
        tl.debug_barrier()
        column = tl.arange(0, BEST)
        best = tl.load(mine + column, mask=column < tl.minimum(n_left, k), other=0)
        best = tl.sort(best, descending=True)
        out = tl.cast(q, tl.int64) * k + column
        identity = n_items - 1 - (best & id_mask)
        tl.store(ids + out, tl.where(best > 0, identity, -1), mask=column < k)
        score = (best >> id_bits).to(tl.float32) * tl.load(scale)
        tl.store(scores + out, tl.where(best > 0, score, float("-inf")), mask=column < k)
        return n_left

    @triton.jit(do_not_specialize=_NUMBERS)
    def merge_by_rows(
        starts,
        entries,
        items,
        scale,
        lists,
        weights,
        hidden_starts,
        hidden,
        rows,
        found,
        ids,
        scores,
        counts,
        n,
        n_lists,
        n_items,
        k,
        cut,
        impact_bits,
        impact_mask,
        place_mask,
        id_bits,
        id_mask,
        WEIGHTED: tl.constexpr,  # noqa: N803
        WIDTH: tl.constexpr,  # noqa: N803
        BEST: tl.constexpr,  # noqa: N803
        THREADS: tl.constexpr,  # noqa: N803
    ) -> None:
        """Merge queries slot, slot + programs, ...; ``rows`` has a row for each program."""
        slot = tl.program_id(0)
        row = rows + slot.to(tl.int64) * n_items
        mine = found + slot.to(tl.int64) * BEST
        at = tl.arange(0, WIDTH)
        for q in range(slot, n, tl.num_programs(0)):
            place, impact, total = _read(
                q, starts, entries, lists, weights, n_lists, cut,
                impact_bits, impact_mask, place_mask, WEIGHTED, WIDTH,
            )  # fmt: skip
            there = at < total
            tl.atomic_add(row + place, impact, mask=there, sem="relaxed")
            tl.debug_barrier()
            # What is hidden is taken out first; it was met all the same.
            met = tl.full((), 0, tl.int32)
            hidden_end = tl.load(hidden_starts + q + 1)
            for chunk in range(tl.load(hidden_starts + q), hidden_end, THREADS):
                which = chunk + tl.arange(0, THREADS)
                gone = tl.load(hidden + which, mask=which < hidden_end, other=0)
                nothing = tl.zeros((THREADS,), dtype=tl.int32)
                old = tl.atomic_xchg(row + gone, nothing, mask=which < hidden_end, sem="relaxed")
                met += tl.sum(((old > 0) & (which < hidden_end)).to(tl.int32), 0)
            tl.debug_barrier()
            empty = tl.zeros((WIDTH,), dtype=tl.int32)
            sums = tl.atomic_xchg(row + place, empty, mask=there, sem="relaxed")
            sums = tl.where(there, sums, 0)
            n_left = _answer(
                q, sums, place, items, scale, mine, ids, scores, n_items, k, id_bits, id_mask, BEST
            )
            tl.store(counts + 2 * q, total.to(tl.int64))
            tl.store(counts + 2 * q + 1, (n_left + met).to(tl.int64))
            tl.debug_barrier()

    @triton.jit
    def _add_equal(place_a, sum_a, place_b, sum_b):
        """Return the later place, with both sums where it is the earlier too."""
        return place_b, tl.where(place_a == place_b, sum_a + sum_b, sum_b)

    @triton.jit(do_not_specialize=_NUMBERS)
    def merge_by_sort(
        starts,
        entries,
        items,
        scale,
        lists,
        weights,
        hidden_starts,
        hidden,
        rows,
        found,
        ids,
        scores,
        counts,
        n,
        n_lists,
        n_items,
        k,
        cut,
        impact_bits,
        impact_mask,
        place_mask,
        id_bits,
        id_mask,
        WEIGHTED: tl.constexpr,  # noqa: N803
        WIDTH: tl.constexpr,  # noqa: N803
        BEST: tl.constexpr,  # noqa: N803
        THREADS: tl.constexpr,  # noqa: N803
    ) -> None:
        """Merge queries slot, slot + programs, ...; ``rows`` is not looked at."""
        slot = tl.program_id(0)
        mine = found + slot.to(tl.int64) * BEST
        for q in range(slot, n, tl.num_programs(0)):
            place, impact, total = _read(
                q, starts, entries, lists, weights, n_lists, cut,
                impact_bits, impact_mask, place_mask, WEIGHTED, WIDTH,
            )  # fmt: skip
            # Beyond the postings stand zeros: an impact of 0 for place 0, which changes nothing.
            key = ((place << impact_bits) | impact).to(tl.uint32, bitcast=True)
            key = tl.sort(key).to(tl.int32, bitcast=True)
            place = (key >> impact_bits) & place_mask
            _, sums = tl.associative_scan((place, key & impact_mask), 0, _add_equal)
            ones = tl.full((WIDTH,), 1, tl.int32)
            _, from_end = tl.associative_scan((place, ones), 0, _add_equal, reverse=True)
            sums = tl.where(from_end == 1, sums, 0)  # at the last of each run
            n_met = tl.sum((sums > 0).to(tl.int32), 0)
            for at in range(tl.load(hidden_starts + q), tl.load(hidden_starts + q + 1)):
                sums = tl.where(place == tl.load(hidden + at), 0, sums)
            _answer(
                q, sums, place, items, scale, mine, ids, scores, n_items, k, id_bits, id_mask, BEST
            )
            tl.store(counts + 2 * q, total.to(tl.int64))
            tl.store(counts + 2 * q + 1, n_met.to(tl.int64))
            tl.debug_barrier()
