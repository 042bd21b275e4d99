"""What no index can be made of: asked while a suite is planned, and where the index is made."""

from harness.errors import MethodError

FAST_SCAN_BITS = 4  # of a code that fast scan looks up in registers
SCANN_ITEMS = 16  # codewords of a block, which ScaNN trains from as many vectors at least


def check_cells(name: str, n_cells: int, n_items: int) -> None:
    """Raise MethodError for more cells than items; ``name`` is the parameter's."""
    if n_cells > n_items:
        raise MethodError(f"{name} = {n_cells} exceeds the catalogue of {n_items} items")


def check_codewords(bits: int, n_items: int) -> None:
    """Raise MethodError for more codewords of a block than items that could train them."""
    if 1 << bits > n_items:
        raise MethodError(
            f"bits = {bits} asks for {1 << bits} codewords a block, more than the catalogue of "
            f"{n_items} items can train"
        )


def check_scann(n_items: int) -> None:
    """Raise MethodError for fewer items than ScaNN's codewords."""
    if n_items < SCANN_ITEMS:
        raise MethodError(f"ScaNN needs at least {SCANN_ITEMS} items, got {n_items}")


def blocks_fault(dims_per_block: int, dim: int) -> str | None:
    """Return what is wrong where blocks do not divide the vectors, else None."""
    if dim % dims_per_block == 0:
        return None
    return f"dims_per_block = {dims_per_block} must divide the {dim} dimensions"
