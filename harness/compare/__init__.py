"""Comparison: records -> frames, frontiers, verdicts; pure functions that run nothing."""
