"""Gradients past a quantiser: as if the token had been served as it is, or turned and stretched."""

from torch import Tensor


def straight(tokens: Tensor, chosen: Tensor) -> Tensor:
    """Return ``chosen``, with the gradient of ``tokens``: x + stop_gradient(c - x)."""
    return tokens + (chosen - tokens).detach()


def rotated(tokens: Tensor, chosen: Tensor) -> Tensor:
    """Return ``chosen`` as a rotation and scaling of ``tokens`` that counts as constant.

    The gradient is turned back by the rotation that takes a token to its code, so that it knows
    where in the code's region the token lies.

    References
    ----------
    Fifty et al., "Restructuring Vector Quantization with the Rotation Trick", ICLR 2025, section 4.
    """
    x, c = tokens.detach(), chosen.detach()
    length = x.norm(dim=-1, keepdim=True).clamp_min(1e-8)
    target = c.norm(dim=-1, keepdim=True)
    a, b = x / length, c / target.clamp_min(1e-8)
    between = a + b
    between = between / between.norm(dim=-1, keepdim=True).clamp_min(1e-8)
    turned = (
        tokens
        - 2 * (tokens * between).sum(-1, keepdim=True) * between
        + 2 * (tokens * a).sum(-1, keepdim=True) * b
    )
    moved: Tensor = turned * (target / length)
    return moved + (c - moved).detach()
