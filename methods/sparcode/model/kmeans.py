"""k-means of the parts of tokens, from spread-out starts."""

import torch
from torch import Tensor

SAMPLE = 1 << 15  # points that take part, at most
DISTANCES = 1 << 25  # held at once, of points to words


def kmeans(points: Tensor, n_words: int, n_iterations: int = 10) -> tuple[Tensor, Tensor]:
    """Return codewords (n_words, d) for points (n, d), and how many points each is nearest to.

    At most `SAMPLE` points take part, drawn by lot. A word that no point is nearest to stays.

    References
    ----------
    Lloyd, 1982; starts by Arthur and Vassilvitskii, SODA 2007 (k-means++).
    """
    if len(points) > SAMPLE:
        points = points[torch.randperm(len(points), device=points.device)[:SAMPLE]]
    words = _spread_starts(points, n_words)
    blocks = torch.functional.split(points, max(1, DISTANCES // n_words))
    counts = points.new_zeros(n_words)
    for step in range(n_iterations + 1):
        lengths = (words**2).sum(-1)
        nearest = torch.cat([(-2 * one @ words.T + lengths).argmin(-1) for one in blocks])
        counts = points.new_zeros(n_words).index_add_(0, nearest, torch.ones_like(points[:, 0]))
        if step == n_iterations:
            break
        sums = torch.zeros_like(words).index_add_(0, nearest, points)
        words = torch.where(counts.unsqueeze(-1) > 0, sums / counts.clamp_min(1)[:, None], words)
    return words, counts


def _spread_starts(points: Tensor, n_words: int) -> Tensor:
    """Choose starts among points, each by lot weighted by squared distance to those before.

    Differences go to one place in memory: fresh ones, with what each step keeps between them,
    fragment the heap by gigabytes.
    """
    gaps = torch.empty_like(points)
    places = torch.empty(n_words, dtype=torch.int64, device=points.device)
    places[:1] = torch.randint(len(points), (1,), device=points.device)
    distance = torch.full_like(points[:, 0], torch.inf)
    for place in range(n_words):
        if place:
            places[place : place + 1] = torch.multinomial(distance + 1e-12, 1)
        torch.sub(points, points[places[place : place + 1]], out=gaps)
        torch.minimum(distance, gaps.square_().sum(-1), out=distance)
    return points[places]
