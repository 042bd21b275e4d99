"""Runs: a suite file -> trials -> records."""
