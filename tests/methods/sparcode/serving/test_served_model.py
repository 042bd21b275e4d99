"""What serving holds of a model: the memory of a pair is what its tensors take."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from methods.interactions.choice import make_interaction
from methods.sparcode.serving.item_scores import pair_bytes

N, M = 200, 300


class Held(TorchDispatchMode):
    """Counts the bytes of all tensors made of N * M elements or more, once for each storage."""

    def __init__(self):
        super().__init__()
        self.storages, self.kept = {}, []

    def __torch_dispatch__(self, function, types, given=(), named=None):
        made = function(*given, **(named or {}))
        if isinstance(made, torch.Tensor) and made.numel() >= N * M:
            self.kept.append(made)  # so that no storage takes another's place
            self.storages[made.untyped_storage()._cdata] = made.untyped_storage().nbytes()
        return made


@pytest.mark.parametrize("hidden", [8, 64])
@pytest.mark.parametrize("name", ["dot", "mlp"])
def test_a_pair_off_the_cpu_takes_what_is_declared(name, hidden):
    """Counted on torch's device without data: hidden units before and after ReLU are most of it."""
    interaction = make_interaction(name, 16, 16, hidden).to("meta")
    with torch.inference_mode():
        sides = interaction.of_tokens(torch.empty(N, 16, device="meta"))
        items = interaction.of_items(torch.empty(M, 16, device="meta"))
        with Held() as held:
            interaction.pairs(sides, items)
    declared = pair_bytes(interaction, "cuda")
    taken = sum(held.storages.values()) / (N * M)
    assert taken <= declared <= taken + 8
    assert pair_bytes(interaction, "cpu") == 12
