"""What the modules of this package make of a fitted learner, and the types of what it is given and gives."""

from collections.abc import Callable
from typing import Any, NamedTuple

from numpy.typing import NDArray

Array = NDArray[Any]
#: One array, or one per output.
Answer = Array | list[Array]
Step = Callable[[Array], Array]
Final = Callable[[Array], Answer]


class Learner(NamedTuple):
    """The last step of a pipeline, called directly.

    Attributes:
        method: `predict_proba` of classifiers, `predict` of regressors.
        call: in its place; for finite float64 rows.
        is_row_wise: no product of matrices is part of it, so that no answer depends on the rows around it.
    """

    method: str
    call: Final
    is_row_wise: bool


class OutOfRange(Exception):
    """A value that scikit-learn would refuse."""
