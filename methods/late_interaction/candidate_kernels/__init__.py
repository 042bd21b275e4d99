"""Compiled code of candidates: tokens of probed cells compared, or their centroids alone; re-score.

A query's result has the same bits alone and in any batch, and on any number of threads. Blocks of
queries run beside each other, each with rows of its own in the working arrays, which a query leaves
as it found them.
"""
