"""Item tokens: an item as several vectors, of its id and of each of its fields."""

import math

import torch
from torch import Tensor, nn

from harness.interactions import Interactions
from methods.encoders.fields import INIT_STD
from methods.encoders.item import ItemFeatures

SPREAD = 0.5  # by which further tokens of an id differ from the first, of the size of its map


class ItemTokens(nn.Module):
    """Items -> tokens (m, n_id_tokens + n_fields, token_dim), linear in embeddings of ``dim``.

    The first token of an id starts as the first coordinates of its vector; each further one has a
    map of its own that starts near that. A field that says nothing of an item (a multi-valued one
    without ids) has no token: there the first token stands again, which changes no maximum.
    """

    def __init__(
        self,
        train: Interactions,
        dim: int,
        token_dim: int,
        n_id_tokens: int,
        device: str,
        init_std: float = INIT_STD,
    ) -> None:
        """Keep the fields of all items on the device."""
        super().__init__()
        self.features = ItemFeatures(train, dim, device, init_std=init_std)
        self.n_tokens = n_id_tokens + len(self.features.fields)
        maps = torch.eye(dim, token_dim).repeat(n_id_tokens, 1, 1)
        maps[1:] += torch.randn(n_id_tokens - 1, dim, token_dim) * (SPREAD / math.sqrt(token_dim))
        self.id_maps = nn.Parameter(maps)
        self.field_map = first_coordinates(dim, token_dim) if len(self.features.fields) else None

    def forward(self, items: Tensor) -> Tensor:
        """Return the tokens of items (m,)."""
        dim = self.id_maps.shape[1]
        parts = self.features(items).unflatten(1, (-1, dim))  # (m, 1 + n_fields, dim)
        ids = torch.einsum("md,jde->mje", parts[:, 0], self.id_maps)
        if self.field_map is None:
            return ids
        known = parts[:, 1:].detach().any(dim=2, keepdim=True)
        fields = torch.where(known, self.field_map(parts[:, 1:]), ids[:, :1])
        return torch.cat((ids, fields), dim=1)


def first_coordinates(n_in: int, n_out: int) -> nn.Linear:
    """Return a linear map without bias that starts as the first ``n_out`` coordinates."""
    made = nn.Linear(n_in, n_out, bias=False)
    with torch.no_grad():
        nn.init.eye_(made.weight)
    return made
