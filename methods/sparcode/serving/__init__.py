"""Serving: queries to codes, codes to lists, lists to the best items."""
