"""The real data sets: origin, licence, citation and what their content must be.

None is part of this package. Where a licence forbids redistribution, ask the owner.
"""

from harness.data.real_context import CONTEXT
from harness.data.real_lightgcn import LIGHTGCN
from harness.data.real_movielens import MOVIELENS
from harness.data.real_sequences import SEQUENCES

REAL = (*MOVIELENS, *LIGHTGCN, *SEQUENCES, *CONTEXT)
