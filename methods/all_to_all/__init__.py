"""All-to-all: any interaction of a query and an item over the whole catalogue, exact."""
