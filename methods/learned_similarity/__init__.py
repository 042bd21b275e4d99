"""Learned similarity: a mixture of inner products, searched through its components."""
