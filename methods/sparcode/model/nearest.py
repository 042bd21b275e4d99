"""Which codes are nearest to tokens, exactly, whatever the number of parts."""

import torch
from torch import Tensor


def nearest_codes(
    parts: Tensor, books: Tensor, n_nearest: int, noise: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Return digits (n, K, J, M) of the nearest codes, nearest first, and squared distances.

    |x - c|^2 = |x|^2 - 2 <x, c> + |c|^2 for each part, of which the first term orders nothing and
    is added to the few that are returned; the J best tuples of parts are built up one part at a
    time from the J best so far and the J best codewords of the next, which loses none.

    Parameters
    ----------
    parts, books : (n, K, M, d), (K, M, N, d).
    noise : (K,) scales of Gumbel noise added to minus the distances of codewords, or None.
    """
    n, n_tokens, n_parts, width = parts.shape
    words = books.flatten(0, 1)  # (K M, N, d)
    gaps = torch.baddbmm(
        (words**2).sum(-1).unsqueeze(1),
        parts.permute(1, 2, 0, 3).reshape(n_tokens * n_parts, n, width),
        words.transpose(1, 2),
        alpha=-2,
    ).view(n_tokens, n_parts, n, words.shape[1])
    if noise is not None:
        drawn = -torch.log(-torch.log(torch.rand_like(gaps).clamp(1e-10, 1 - 1e-7)))
        gaps = gaps - noise.view(-1, 1, 1, 1) * drawn
    count = min(n_nearest, gaps.shape[-1])
    best, found = (one.permute(2, 0, 1, 3) for one in _smallest(gaps, count))  # (n, K, M, j)
    total, digits = best[:, :, 0], found[:, :, 0].unsqueeze(-1)
    for part in range(1, n_parts):
        sums = (total.unsqueeze(-1) + best[:, :, part].unsqueeze(-2)).flatten(2)
        total, place = _smallest(sums, min(n_nearest, sums.shape[-1]))
        old, new = place // count, place % count
        digits = digits.gather(2, old.unsqueeze(-1).expand(-1, -1, -1, digits.shape[-1]))
        digits = torch.cat((digits, found[:, :, part].gather(2, new).unsqueeze(-1)), dim=-1)
        count = best.shape[-1]
    return digits, total + (parts**2).sum((-1, -2)).unsqueeze(-1)


def _smallest(gaps: Tensor, count: int) -> tuple[Tensor, Tensor]:
    if count == 1:
        least = gaps.min(dim=-1, keepdim=True)
        return least.values, least.indices
    found = gaps.topk(count, dim=-1, largest=False, sorted=True)
    return found.values, found.indices
