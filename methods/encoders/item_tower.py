"""Item tower: item features -> one vector, the id's plus a perceptron over id and fields."""

from torch import Tensor, nn

from methods.encoders.query import mlp


class ItemTower(nn.Module):
    """(m, width) features -> (m, dim); the id's vector alone where items have no fields."""

    def __init__(self, width: int, dim: int, hidden: int) -> None:
        """Take features of ``width``, of which the first ``dim`` are the id's vector."""
        super().__init__()
        self.dim = dim
        self.tower: nn.Module | None = mlp(width, hidden, dim) if width > dim else None

    def forward(self, features: Tensor) -> Tensor:
        """Return (m, dim)."""
        ids = features[:, : self.dim]
        return ids if self.tower is None else ids + self.tower(features)
