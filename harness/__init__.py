"""Matchbench: how candidate retrieval in recommendation is measured."""

from harness.errors import HarnessError
from harness.fields import Categorical, Dense, Fields, MultiValued
from harness.interactions import HeldOut, Interactions, Queries
from harness.lists import Lists
from harness.retriever import Capability, Footprint, NoParams, Retriever
from harness.topk import TopK

__all__ = [
    "Capability",
    "Categorical",
    "Dense",
    "Fields",
    "Footprint",
    "HarnessError",
    "HeldOut",
    "Interactions",
    "Lists",
    "MultiValued",
    "NoParams",
    "Queries",
    "Retriever",
    "TopK",
]
