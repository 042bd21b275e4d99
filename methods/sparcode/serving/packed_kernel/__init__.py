"""Compiled code of the packed merge: add up 16-bit impacts, keep the k largest sums.

A query takes four steps. *Add*: every posting's impact goes to the accumulator of its place, one
list after another, while the entries of the next list are fetched into the cache. *Bound*: the
items of one list before its k-th reach the k-th impact, so the k-th largest sum is at least the
largest k-th impact. *Collect*: sums that reach the bound are written out without a branch, and all
accumulators are set back to zero, by reading the postings again ("sparse") or by a scan over all
accumulators, 64 at a time ("dense"). *Select*: the k-th largest sum is found by bisection on its
value, which counts 64 sums at a time; what reaches it is sorted by sum descending, item ascending.

Arrays that live as long as an index are given by address, in one array (`state.State`): numba
spends more time on taking twelve arrays apart than on a short query, and refuses arrays that are
read-only, as those of a mapped file are.
"""
