"""Micro-benchmarks in asv's style: seconds and bytes of single parts. See suites/README.md."""
