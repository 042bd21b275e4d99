"""Precision on a GPU: float32 means float32."""

import torch


def keep_float32() -> None:
    """Turn TF32 off for products of matrices and in cuDNN, which otherwise takes it for float32.

    TF32 keeps 10 bits of a float32's 23, and how they round depends on the shape of a batch: the
    answers of a recurrent encoder then differ between single queries and batches.
    """
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
