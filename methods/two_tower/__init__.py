"""Two-tower retrieval: a query vector, an item vector, their inner product."""
