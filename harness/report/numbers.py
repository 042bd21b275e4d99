"""Numbers as cells: scaled for print, three significant digits, a dash where nothing was measured.

Nothing is rounded before it comes here.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

NOTHING = "-"
MB = 1e6
MS = 1e-3
US = 1e-6


def rounded(value: float) -> str:
    """Return three significant digits, without an exponent.

    >>> rounded(2187.4), rounded(0.04512), rounded(250.0), rounded(3.92e-05)
    ('2,187', '0.0451', '250', '0.0000392')
    """
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return np.format_float_positional(value, precision=3, fractional=False, trim="-")


def counted(n: int, noun: str) -> str:
    """Return a number with its noun.

    >>> counted(1, "thread"), counted(2, "thread")
    ('1 thread', '2 threads')
    """
    return f"{n} {noun}{'' if n == 1 else 's'}"


def percent(share: float) -> str:
    """Return a share as a percentage: one digit below 10 %, whole numbers above.

    >>> percent(0.0312), percent(0.124), percent(0.0034), percent(0.0)
    ('3 %', '12 %', '0.3 %', '0 %')
    """
    value = 100 * share
    return f"{value:.0f} %" if abs(value) >= 9.5 else f"{value:.1g} %"


def signed_percent(share: float) -> str:
    """Return a share as a percentage with its sign.

    >>> signed_percent(0.012), signed_percent(-0.2)
    ('+1.2 %', '-20.0 %')
    """
    return f"{100 * share:+.1f} %"


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a view.

    Attributes
    ----------
    header : what stands above, with the unit.
    name : the column of the frame; a frame without it has dashes.
    unit : what one unit of the header is in SI base units.
    form : number -> text.
    """

    header: str
    name: str
    unit: float = 1.0
    form: Callable[[float], str] = rounded

    def cells(self, frame: pd.DataFrame) -> list[str]:
        """Return a cell for each row."""
        if self.name not in frame:
            return [NOTHING] * len(frame)
        return [cell(value, self.unit, self.form) for value in frame[self.name]]


def cell(value: Any, unit: float = 1.0, form: Callable[[float], str] = rounded) -> str:
    """Return a number in its unit, or a dash for None and NaN."""
    return NOTHING if pd.isna(value) else form(float(value) / unit)


def columns_of(
    frame: pd.DataFrame, columns: Iterable[Column], *, noisy: bool = False
) -> dict[str, list[str]]:
    """Return header -> cells, without the columns in which no row has a value.

    With ``noisy`` a ± stands beside what the noise floor holds.
    """
    cells = {one.header: noisy_cells(frame, one) if noisy else one.cells(frame) for one in columns}
    return {header: ones for header, ones in cells.items() if any(x != NOTHING for x in ones)}


def noisy_cells(frame: pd.DataFrame, column: Column) -> list[str]:
    """Return a column's cells, with ± from A/A pairs where a noise floor holds for the row."""
    cells: Sequence[str] = column.cells(frame)
    noises = frame.get(f"{column.name}_noise", pd.Series([None] * len(frame)))
    return [
        one if pd.isna(noise) or one == NOTHING else f"{one} ±{percent(float(noise))}"
        for one, noise in zip(cells, noises, strict=True)
    ]
