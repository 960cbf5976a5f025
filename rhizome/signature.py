"""A version's signature: what a row must hold, and what an answer looks like. Part of the manifest, read by all."""

import hashlib
import math
from functools import cached_property
from typing import Literal

import msgspec
from pydantic import BaseModel, ConfigDict, Field

ClassLabel = str | int | float | bool
#: Beyond it float64, in which rows travel, cannot hold every integer: two of them may be one number.
MAX_SAFE_INTEGER = 2**53 - 1
DIGEST_LENGTH = 16  #: hex digits; it tells signatures apart, it protects nothing


class Feature(BaseModel):
    """One input column.

    Attributes:
        name: as in the training data's header.
        dtype: `float64` and `int64` travel as float64, `category` as text.
        minimum, maximum: seen in training; None for categories.
        lower, upper: what a request may hold; None where any finite number is accepted.
        categories: the accepted values of a category, sorted.
        nullable: JSON null is accepted and reaches the estimator as NaN (numbers) or None (categories).
        example: a typical value, for documentation.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    dtype: Literal["float64", "int64", "category"]
    minimum: float | None = None
    maximum: float | None = None
    lower: float | None = None
    upper: float | None = None
    categories: tuple[str, ...] = ()
    nullable: bool = False
    example: float | int | str | None = None

    @property
    def bounds(self) -> tuple[float, float]:
        """The least and the greatest number that is accepted; infinite where any finite one is.

        What was seen in training is always within: versions of former releases have rounded `lower` and `upper`.
        """
        limit = MAX_SAFE_INTEGER if self.dtype == "int64" else math.inf
        lower = -limit if self.lower is None else self.lower
        upper = limit if self.upper is None else self.upper
        return (
            lower if self.minimum is None else min(lower, self.minimum),
            upper if self.maximum is None else max(upper, self.maximum),
        )

    @property
    def is_exact(self) -> bool:
        """Whether no integer that is accepted is rounded by float64."""
        return self.dtype != "int64" or max(map(abs, self.bounds)) <= MAX_SAFE_INTEGER

    @property
    def texts_of_booleans(self) -> dict[bool, str]:
        """The categories by the booleans that they stand for; empty where they are not true and false, in any case."""
        if not 1 <= len(self.categories) <= 2:
            return {}
        texts = {text.lower() == "true": text for text in self.categories if text.lower() in ("true", "false")}
        return texts if len(texts) == len(self.categories) else {}


def class_name(label: ClassLabel) -> str:
    """A class as the key of a JSON object: `true` and `false` as JSON writes them."""
    return str(label).lower() if isinstance(label, bool) else str(label)


class Output(BaseModel):
    """One thing that is predicted.

    Attributes:
        name: the target column.
        classes: the labels, in the order of the estimator's `classes_`; empty for regression.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    classes: tuple[ClassLabel, ...] = ()

    @cached_property
    def class_names(self) -> tuple[str, ...]:
        """The classes as keys of a JSON object."""
        return tuple(map(class_name, self.classes))


class Signature(BaseModel):
    """The inputs and the outputs of a version.

    Attributes:
        features: in the order the estimator expects.
        task: of every output: `classification` answers a label, `regression` a value.
        outputs: what is predicted, at least one, in the order of the estimator's answers.
        has_probabilities: the estimator gives a probability per class, of every output.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    features: tuple[Feature, ...]
    task: Literal["classification", "regression"]
    outputs: tuple[Output, ...] = Field(min_length=1)
    has_probabilities: bool = False

    @cached_property
    def digest(self) -> str:
        """Equal for two signatures that accept and answer the same; ranges and examples do not count."""
        essence = [
            [[f.name, f.dtype, f.categories, f.nullable] for f in self.features],
            self.task,
            [[output.name, output.classes] for output in self.outputs],
            self.has_probabilities,
        ]
        return hashlib.sha256(msgspec.json.encode(essence)).hexdigest()[:DIGEST_LENGTH]

    @cached_property
    def outputs_alone(self) -> str:
        """JSON of a signature without features, which is all that answers are written by."""
        return self.model_copy(update={"features": ()}).model_dump_json()

    @property
    def names(self) -> tuple[str, ...]:
        """The feature names, in order."""
        return tuple(feature.name for feature in self.features)

    @property
    def targets(self) -> str:
        """The names of the outputs, for people."""
        return ", ".join(output.name for output in self.outputs)

    @property
    def is_numeric(self) -> bool:
        """True where rows can travel as float64."""
        return all(feature.dtype != "category" for feature in self.features)
