"""The item side of every learned method: an id's vector and the vectors of its fields."""

import torch
from torch import Tensor, nn

from harness.interactions import Interactions
from methods.encoders.fields import INIT_STD, FieldEmbeddings
from methods.encoders.tensors import Bags, Columns, columns_of

ID_DROPOUT = 0.5


class ItemFeatures(nn.Module):
    """Item ids -> the vectors of id and fields, side by side: (n, (1 + n_fields) * dim).

    Where items have fields, training drops coordinates of the id's vector by lot, a share
    ``ID_DROPOUT`` of them. Otherwise ids, each with few events, learn by heart what the fields
    would say of all items (after Volkovs, Yu and Poutanen, DropoutNet, NeurIPS 2017, who drop
    whole vectors). Without fields nothing is dropped.
    """

    def __init__(
        self,
        train: Interactions,
        dim: int,
        device: str,
        *,
        with_fields: bool = True,
        init_std: float = INIT_STD,
    ) -> None:
        """Keep the fields of all items on the device, unless they are to be left out.

        Vectors of ids start with ``init_std``, those of fields with `INIT_STD`.
        """
        super().__init__()
        self.ids = nn.Embedding(train.n_items, dim)
        nn.init.normal_(self.ids.weight, std=init_std)
        fields = train.item_fields if with_fields else None
        self.fields = FieldEmbeddings(fields, dim)
        self.width = (1 + len(self.fields)) * dim
        self._columns = columns_of(fields, device)
        self._drop = nn.Dropout(ID_DROPOUT if len(self.fields) else 0.0)

    def history_table(self) -> Tensor:
        """Return what each item brings to a history, (n_items, dim): its id's and fields' sum."""
        table: Tensor = self.ids.weight
        for part in self.fields(self._columns):
            table = table + part
        return table

    def forward(self, items: Tensor) -> Tensor:
        """Return the features of the given items, (n, width)."""
        parts = [self._drop(self.ids(items)), *self.fields(_take(self._columns, items))]
        return torch.cat(parts, dim=1)


def _take(columns: Columns, rows: Tensor) -> Columns:
    return {
        name: _take_bags(column, rows) if isinstance(column, Bags) else column[rows]
        for name, column in columns.items()
    }


def _take_bags(bags: Bags, rows: Tensor) -> Bags:
    ends = torch.cat((bags.offsets[1:], bags.offsets.new_tensor([bags.ids.numel()])))
    starts, lengths = bags.offsets[rows], (ends - bags.offsets)[rows]
    offsets = torch.cumsum(lengths, 0) - lengths
    within = torch.arange(int(lengths.sum()), device=rows.device)
    places = within + torch.repeat_interleave(starts - offsets, lengths)
    return Bags(bags.ids[places], offsets)
