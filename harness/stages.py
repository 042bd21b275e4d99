"""Stages: the named parts of a search and of a build, marked by the method where each ends.

A method calls ``self.mark("encode")`` when its encoding is done, and so on. Unless the harness
listens, that is a call of an empty function (about 0.05 microseconds), so the pass that gives the
total is not disturbed; stages are timed in a pass of their own.
"""

from collections.abc import Callable

# Of a search. What a library does in one call (scores and their top) is one stage, `scoring`.
SEARCH_STAGES = (
    "encode",  # query -> the form the index takes
    "transfer",  # copies between host and device
    "candidates",  # choosing the items to be scored
    "scoring",  # scores of candidates, or of everything
    "top_k",  # choosing, ordering, leaving hidden items out, filling up
)
# Of a build; `fit`, `save` and `load` are stages too, which the harness marks itself.
BUILD_STAGES = (
    "item_vectors",  # encoding the catalogue
    "code_assignment",  # which codes the training queries use
    "precompute",  # interactions of codes and items
    "index_build",  # making the structure that serves
)

Mark = Callable[[str], None]


def no_mark(stage: str) -> None:
    """Take note of nothing: what methods call unless the harness listens."""
