"""Compiled code of serving encoders: a query's history and fields to a vector, or to codes.

Every product is a chain of fused multiply-adds in the order of its inner index, side by side for
all outputs: what a query becomes has the same bits alone and in any batch, on any number of threads
and wherever its arrays lie in memory, in float32. Weights are one array and their places another
(`methods.encoders.serving_kernel.plan.Plan`), for numba spends longer on taking a dozen arrays
apart than on a query. Arrays of queries may be read-only.
"""
