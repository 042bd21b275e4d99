"""Late interaction: several vectors a query, compared with an item's when both are known."""
