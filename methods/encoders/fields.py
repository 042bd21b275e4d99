"""Fields -> one vector per column."""

from torch import Tensor, nn

from harness.fields import Dense, Fields
from methods.encoders.pooling import mean_of_bags
from methods.encoders.tensors import Bags, Columns

INIT_STD = 0.1  # of embeddings; small against the unit scale at which scores begin to matter


class FieldEmbeddings(nn.Module):
    """Embeds each column of fixed fields into ``dim`` dimensions.

    A categorical id has a vector, a multi-valued column the mean of its ids' vectors (zero where
    there are none), a dense column a linear projection.
    """

    def __init__(self, fields: Fields | None, dim: int) -> None:
        """Take names, kinds and sizes from ``fields``; its rows are not kept."""
        super().__init__()
        self.names: list[str] = []
        self._keys: dict[str, str] = {}
        self.tables = nn.ModuleDict()
        for name, column in ({} if fields is None else fields.columns).items():
            self.names.append(name)
            table: nn.Module
            if isinstance(column, Dense):
                table = nn.Linear(column.dim, dim, bias=False)
            else:
                table = nn.Embedding(column.size, dim)
                nn.init.normal_(table.weight, std=INIT_STD)
            self._keys[name] = key = self._free_key(name)
            self.tables[key] = table

    def __len__(self) -> int:
        return len(self.names)

    def forward(self, columns: Columns) -> list[Tensor]:
        """Return one (n, dim) tensor per column, in the order of the fields."""
        return [self._embed(self._table(name), columns[name]) for name in self.names]

    def rows(self, name: str, ids: Tensor) -> Tensor:
        """Return the vectors of ids (n,) of one categorical field, (n, dim)."""
        vectors: Tensor = self._table(name)(ids)
        return vectors

    def weight(self, name: str) -> Tensor:
        """Return the weights of one field: (size, dim) of ids, (dim, size) of vectors."""
        weight = self._table(name).weight
        assert isinstance(weight, Tensor), "every table has weights"
        return weight

    def _embed(self, table: nn.Module, column: Tensor | Bags) -> Tensor:
        if isinstance(column, Bags):
            return mean_of_bags(column, table.weight)  # type: ignore[arg-type]
        if isinstance(table, nn.Linear):
            column = column.to(table.weight.dtype)
        embedded: Tensor = table(column)
        return embedded

    def _table(self, name: str) -> nn.Module:
        return self.tables[self._keys[name]]

    def _free_key(self, name: str) -> str:
        """Return what torch, which keeps dots and its own names to itself, takes for a name."""
        key = "field_" + name.replace(".", "_")
        while key in self.tables:  # "a.b" beside "a_b"
            key += "_"
        return key
