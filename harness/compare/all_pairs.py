"""All pairs: p-values that hold whichever point comes out best.

Who is best is chosen by the queries that then test the others against it. Of 34 equal points the
highest lies further above the lowest than two of them ever would, and Holm over the 33 tests
against it finds one worse in 30 % of cases. So the family is all pairs, of which those with the
best are some, whoever it is. That is Tukey's idea; the distribution of the largest statistic is
drawn from the points' own covariance, so that settings of one index, which answer alike, cost
little power, and pairs that are told apart no longer count for those that are not. Hsu's
comparison with the best asks less, for what it shows is "no better than the best", which is true
of points that tie with it.

References
----------
Tukey, The problem of multiple comparisons, 1953. Westfall and Young, Resampling-based multiple
testing, 1993 (the step-down maximum). Chernozhukov, Chetverikov and Kato, Annals of Statistics
41(6), 2013 (Gaussian multipliers). Hsu, Multiple comparisons, 1996, chapter 4.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from harness.compare.paired import Values

N_DRAWS = 10_000
CACHED = 100_000  # statistics held at once, within the processor's cache
SAME = 1e-12  # of the squares of a pair, against those of its points: rounding alone


def all_pairs_p(
    columns: Values, pairs: Sequence[tuple[int, ...]], *, n_draws: int = N_DRAWS, seed: int
) -> Values:
    """Return two-sided p-values of the mean difference of pairs, which hold for all of them.

    The statistic of a pair is the sum of its differences over the root of their sum of squares. As
    signs do in `harness.compare.paired.sign_flip_p`, normal factors, one for each query, tell how
    it varies where nothing differs; their sums are drawn at once from the covariance of columns,
    at a cost that does not grow with the queries.

    Parameters
    ----------
    columns : float64 (n, c), what each point gives each query.
    pairs : numbers of two columns each; those that are the same in every query have p 1.
    """
    centred = columns - columns.mean(axis=1, keepdims=True)
    squares = centred.T @ centred  # (c, c)
    a, b = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    own = np.diagonal(squares)
    norms = own[a] + own[b] - 2 * squares[a, b]
    differ = np.flatnonzero(norms > SAME * (own[a] + own[b]))
    p_values = np.ones(len(a))
    if not differ.size:
        return p_values
    sums = centred.sum(axis=0)
    observed = np.abs(sums[a] - sums[b])[differ] / np.sqrt(norms[differ])
    falling = np.argsort(-observed, kind="stable")
    order = differ[falling]
    adjusted = _step_down(
        squares, a[order], b[order], np.sqrt(norms[order]), observed[falling], n_draws, seed
    )
    p_values[order] = adjusted
    return p_values


def _step_down(
    squares: Values,
    a: npt.NDArray[np.int64],
    b: npt.NDArray[np.int64],
    norms: Values,
    observed: Values,
    n_draws: int,
    seed: int,
) -> Values:
    """Return p-values of pairs in falling order: of each how often the rest of them exceeds it."""
    values, vectors = np.linalg.eigh(squares)
    root = vectors * np.sqrt(np.maximum(values, 0.0))  # (c, c)
    first, second, scale = a[::-1], b[::-1], norms[::-1, None]  # rising, for the running maximum
    random = np.random.default_rng(seed)
    block, exceeding = max(1, CACHED // len(a)), np.zeros(len(a), np.int64)
    for done in range(0, n_draws, block):
        drawn = root @ random.standard_normal((len(root), min(block, n_draws - done)))
        rising = drawn[first]
        rising -= drawn[second]
        np.abs(rising, out=rising)
        rising /= scale
        np.maximum.accumulate(rising, axis=0, out=rising)
        exceeding += (rising >= observed[::-1, None]).sum(axis=1)[::-1]
    return np.maximum.accumulate((exceeding + 1) / (n_draws + 1))
