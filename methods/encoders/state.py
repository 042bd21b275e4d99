"""The tensors of a module as named arrays, and back: how learned methods save their encoders."""

from collections.abc import Mapping

import torch
from torch import nn

from harness.arrays import Array


def state_arrays(module: nn.Module, prefix: str) -> dict[str, Array]:
    """Return parameters and buffers on the host, their names behind ``prefix`` and a dot."""
    return {
        f"{prefix}.{name}": tensor.detach().cpu().numpy()
        for name, tensor in module.state_dict().items()
    }


def load_state(module: nn.Module, prefix: str, arrays: Mapping[str, Array], device: str) -> None:
    """Give a module of the same shape copies of the arrays, in their dtype, on a device.

    Copies, because torch aligns its memory otherwise than numpy, and sums may depend on that in
    their last bit. The module is left in evaluation mode.
    """
    start = f"{prefix}."
    state = {
        name.removeprefix(start): torch.from_numpy(array).to(device, copy=True)
        for name, array in arrays.items()
        if name.startswith(start)
    }
    module.load_state_dict(state, assign=True)
    module.eval()
