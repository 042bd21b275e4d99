"""Benchmarks that are followed over time: by `matchbench gate --against`, and by asv.

Seconds, bytes and shares that are better when smaller, as asv takes them. Nothing here needs torch.
"""
