"""k-means of tokens, on the host: centroids, and the nearest of each token."""

import numpy as np
from scipy.sparse import csr_array

from harness.errors import MethodError
from harness.lists import FloatArray, IntArray
from harness.seeding import generator

BLOCK_SCORES = 1 << 22  # products held at once: 16 MiB
ITERATIONS = 10


def centroids_of(tokens: FloatArray, n_cells: int, per_cell: int, seed: int) -> FloatArray:
    """Return centroids, float32 (n_cells, d), fewer where fewer different tokens are drawn.

    At most ``n_cells * per_cell`` tokens take part, drawn by lot; different ones among them are the
    first centroids. A centroid that no token is nearest to stays where it is.

    Raises
    ------
    MethodError
        More cells than tokens.

    References
    ----------
    Lloyd, "Least squares quantization in PCM", IEEE Trans. Information Theory 28(2), 1982.
    """
    if n_cells > len(tokens):
        raise MethodError(f"nlist = {n_cells} exceeds the {len(tokens)} tokens of all items")
    random = generator(seed, "kmeans")
    chosen = random.permutation(len(tokens))[: n_cells * per_cell]
    sample = np.ascontiguousarray(tokens[chosen])
    rows = sample.view(np.dtype((np.void, sample.itemsize * sample.shape[1])))[:, 0]
    different = np.unique(rows, return_index=True)[1]  # a field's value is one token of many items
    starts = np.sort(random.permutation(different)[:n_cells])
    centroids: FloatArray = sample[starts]
    ones, ends = np.ones(len(sample), np.float32), np.arange(len(sample) + 1)
    for _ in range(ITERATIONS):
        nearest = nearest_of(sample, centroids)
        members = csr_array((ones, nearest, ends), (len(sample), len(centroids)))
        counts = np.bincount(nearest, minlength=len(centroids))
        sums, used = np.asarray(members.T @ sample), counts > 0
        centroids[used] = sums[used] / counts[used, None].astype(np.float32)
    return centroids


def nearest_of(tokens: FloatArray, centroids: FloatArray) -> IntArray:
    """Return the nearest centroid of each token, int64 (n,), the first where several are."""
    half = (centroids**2).sum(axis=1) / 2
    step = max(1, BLOCK_SCORES // len(centroids))
    parts = [
        np.argmax(tokens[start : start + step] @ centroids.T - half, axis=1)
        for start in range(0, len(tokens), step)
    ]
    return np.concatenate(parts)
