"""Metrics: ranked lists and relevant items -> one value per query."""
