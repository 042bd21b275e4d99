"""Losses of learned methods."""

import torch
from torch import Tensor


def sampled_softmax(
    positive: Tensor, negative: Tensor, log_expected: Tensor, is_target: Tensor
) -> Tensor:
    """Return the mean cross-entropy of the target against shared, sampled negatives.

    The partition sum over the catalogue is estimated as the target's own term plus each negative's
    divided by its expected number of draws (log-Q correction). A negative that is the target is
    left out of its row: the target's term stands for it.

    Parameters
    ----------
    positive : (n,), scores of the targets.
    negative : (n, m), scores of the shared negatives.
    log_expected : (m,), log of the expected draws of each negative; zeros for the full softmax.
    is_target : bool (n, m), True where a negative is the row's target.

    References
    ----------
    Bengio and Senécal, IEEE TNN 19(4), 2008, on importance sampling of the partition function;
    Rawat et al., NeurIPS 2019, eq. 5, for the corrected logits; Yi et al., RecSys 2019, for log-Q
    correction in two-tower retrieval.
    """
    corrected = (negative - log_expected).masked_fill(is_target, -torch.inf)
    logits = torch.cat((positive[:, None], corrected), dim=1)  # (n, 1 + m)
    return (torch.logsumexp(logits, dim=1) - positive).mean()
