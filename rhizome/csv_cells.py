"""A cell of CSV as the value it stands for: the format has no types, so the feature says what its text means.

Shared, because a table is read by the gateway where it is the body of a call that waits, and by workers where it is a
file.
"""

import csv
import re

from rhizome.signature import Feature

#: As JSON has numbers, and as spreadsheets write them: a sign, a bare point, and blanks around.
_NUMBER = re.compile(r"[ \t]*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?[ \t]*", re.ASCII)

_LONGEST_CELL = 2**31 - 1


def allow_long_cells() -> None:
    """Lifts the csv module's bound, the whole process's: a cell as long as its chunk must not come apart into rows."""
    csv.field_size_limit(_LONGEST_CELL)


def read_cell(text: str, feature: Feature) -> float | str | None:
    """A cell as what the feature wants; None where it is empty, or no number where one is wanted."""
    if feature.dtype == "category":
        return text or None
    return float(text) if _NUMBER.fullmatch(text) else None
