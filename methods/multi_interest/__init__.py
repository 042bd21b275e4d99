"""Multi-interest retrieval: several vectors per query, one per item, the best product counts."""
