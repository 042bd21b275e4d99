"""Interactions: scores of (token, item) as rich as training affords; none is served online."""
