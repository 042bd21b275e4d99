"""Interactions: scores of (token, item) as rich as training affords, since none is served online."""
