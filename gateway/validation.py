"""Validation of rows by a Pydantic model built from a version's signature, and their form on the wire.

Strict: a number is a number, not text that looks like one; NaN, infinity, unknown and missing fields are refused, each
by name. The champion's signature is data, so the models are built at run time, once per version.
"""

import math
import struct
import sys
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain, islice
from operator import attrgetter
from typing import Annotated, Any, NamedTuple, cast

import msgspec
from pydantic import BaseModel, Field, TypeAdapter, ValidationError, create_model

from gateway.columns import ColumnValidator
from gateway.complaints import MAX_EXAMINED, Problem, describe_problems, is_malformed, refusal, refuse
from gateway.csv_table import CSV_FORM, read_csv
from gateway.options import BATCH_FIELDS, MAX_NAME_CHARACTERS, OPTION_PREFIX, SINGLE_FIELDS
from gateway.records import RecordDecoder
from gateway.tabular_forms import find_records, read_document, read_table
from rhizome.csv_cells import BOM
from rhizome.errors import InvalidRequest
from rhizome.jobs import Encoding
from rhizome.signature import Signature
from rhizome.value_types import ROW_CONFIG, build_row_model, row_fields

_GetValues = Callable[[Any], tuple[Any, ...]]
_OPTIONS: Any = create_model("Options", __config__=ROW_CONFIG, **BATCH_FIELDS)
#: Options of a body with a table: beside it, or in MLflow's `params`.
_BESIDE_TABLE: dict[str, Any] = BATCH_FIELDS | {"params": (_OPTIONS | None, None)}
#: A larger sample is decoded before it is looked at: Pydantic would copy all of it for each field that is missing.
_PLAIN_BYTES = 4096
_BESIDE: Any = create_model("Beside", __config__=ROW_CONFIG, **_BESIDE_TABLE)


class Rows(NamedTuple):
    """Validated rows, ready for the stream, and the options that came with them, by name."""

    encoding: Encoding
    payloads: list[bytes]
    row_counts: list[int]
    options: Mapping[str, Any]

    @property
    def version(self) -> str | None:
        """The version that the body names."""
        return self.options.get("version")


class Validator:
    """Validates request bodies against one signature; safe to share between threads."""

    def __init__(self, signature: Signature) -> None:
        self.signature = signature
        fields: dict[str, Any] = row_fields(signature)
        options = {name: field for name, field in SINGLE_FIELDS.items() if field[1].alias not in signature.names}
        self.row_model: type[BaseModel] = build_row_model(signature)
        self.single_model: type[BaseModel] = create_model(
            "Single", __config__=ROW_CONFIG, **cast(Any, fields | options)
        )
        self._rows = TypeAdapter(cast(Any, list)[self.row_model], config=ROW_CONFIG)
        self.columns = ColumnValidator(signature)
        self._records = RecordDecoder(signature)
        self._features = frozenset(fields)
        self._batch_models: dict[tuple[str, int], type[BaseModel]] = {}
        self._values = _values_getter(len(signature.features))
        self._row_struct = struct.Struct(f"<{len(signature.features)}d")
        self._encoding = Encoding.FLOAT64 if signature.is_numeric else Encoding.JSON
        self._has_nulls = any(feature.nullable for feature in signature.features)

    def parse_single(self, body: bytes) -> Rows:
        """One sample from a JSON object of features.

        Raises:
            InvalidRequest: naming every offending field.
        """
        sample = self._validate(self.single_model, body.removeprefix(BOM))
        row = self._values(sample)
        options = {} if sample.model_fields_set <= self._features else _options_of(sample)
        return Rows(self._encoding, [self._encode_row(row)], [1], options)

    def parse_batch(self, body: bytes, *, max_rows: int, chunk_rows: int) -> Rows:
        """Many samples from any of the forms of `gateway.tabular_forms`, cut into chunks.

        Raises:
            InvalidRequest: naming every offending field with the index of its row.
        """
        body = body.removeprefix(BOM)
        if form := find_records(body):
            rows = self._records.decode(form, body)
            if rows and len(rows) <= max_rows:
                return self.cut(rows, chunk_rows, {}, self._values)
        _check_not_empty(body)
        form, columns, records, beside = read_table(body, self.signature.names, max_rows=max_rows)
        if records is not None:
            return self._parse_records(form, records, beside, chunk_rows)
        options = _options_beside(self._check(_BESIDE.model_validate, beside))
        return self.cut(self.columns.to_rows(columns or [], form), chunk_rows, options)

    def parse_csv(self, body: bytes, *, max_rows: int, chunk_rows: int) -> Rows:
        """Many samples from CSV, cut into chunks; there is no place for options.

        Raises:
            InvalidRequest: naming every offending cell with the index of its row.
        """
        columns = read_csv(body, self.signature, max_rows=max_rows)
        return self.cut(self.columns.to_rows(columns, CSV_FORM), chunk_rows, {})

    def cut(
        self, rows: Iterable[Any], chunk_rows: int, options: Mapping[str, Any], values_of: _GetValues | None = None
    ) -> Rows:
        """Validated rows in chunks of `chunk_rows`, as they travel.

        Args:
            rows: tuples of values in the signature's order, or whatever `values_of` makes such tuples of; held by
                the chunk.
            chunk_rows: rows of a chunk.
            options: by name.
            values_of: called row by row.
        """
        left = iter(map(values_of, rows) if values_of else rows)
        payloads, row_counts = [], []
        while chunk := list(islice(left, chunk_rows)):
            payloads.append(self._encode(chunk))
            row_counts.append(len(chunk))
        return Rows(self._encoding, payloads, row_counts, options)

    def batch_model(self, max_rows: int, form: str = "instances") -> type[BaseModel]:
        """The model of a batch body of at most `max_rows` records in the field `form`."""
        if (form, max_rows) not in self._batch_models:
            rows = Annotated[list[self.row_model], Field(min_length=1, max_length=max_rows)]  # type: ignore[name-defined]
            fields: dict[str, Any] = {form: (rows, ...)}
            self._batch_models[form, max_rows] = create_model("Batch", __config__=ROW_CONFIG, **fields, **_BESIDE_TABLE)
        return self._batch_models[form, max_rows]

    def _parse_records(self, form: str, records: list[Any], beside: dict[str, Any], chunk_rows: int) -> Rows:
        """The rows are looked at in groups, so that what is wrong with all of them is never held at once."""
        rows: list[BaseModel] = []
        problems: list[Problem] = []
        options, count = None, 0
        for start, group in self._groups(form, records):
            try:
                rows += self._rows.validate_python(group)
            except ValidationError as error:
                count += error.error_count()
                problems += describe_problems(error, self.signature, (form, start)) if count <= MAX_EXAMINED else ()
        try:
            options = _BESIDE.model_validate(beside)
        except ValidationError as error:
            count += error.error_count()
            problems += describe_problems(error, self.signature)
        if options is None or count:
            raise refusal(problems if count <= MAX_EXAMINED else (), count)
        return self.cut(rows, chunk_rows, _options_beside(options), self._values)

    def _groups(self, form: str, records: list[Any]) -> Iterator[tuple[int, list[Any]]]:
        """Records in groups of not many fields, each with the index of its first.

        Raises:
            InvalidRequest: a record has far more fields than there are features.
        """
        start = fields = 0
        for index, record in enumerate(records):
            size = len(record) if isinstance(record, dict) else 0
            self._check_size(f"{form}.{index}", size)
            fields += size + len(self.signature.features)
            if fields > MAX_EXAMINED:
                yield start, records[start : index + 1]
                start, fields = index + 1, 0
        if start < len(records):
            yield start, records[start:]

    def _check_size(self, place: str, fields: int) -> None:
        features = len(self.signature.features)
        if fields > features + MAX_EXAMINED:
            raise refuse(place, f"holds {fields} fields", f"send the {features} features and nothing else")

    def _validate(self, model: type[BaseModel], body: bytes) -> BaseModel:
        _check_not_empty(body)
        if len(body) <= _PLAIN_BYTES:
            return self._check(model.model_validate_json, body)
        document = read_document(body)
        self._check_size("body", len(document) if isinstance(document, dict) else 0)
        return self._check(model.model_validate, document)

    def _check(self, validate: Callable[[Any], BaseModel], value: Any) -> BaseModel:
        try:
            return validate(value)
        except ValidationError as error:
            problems = describe_problems(error, self.signature)
            if is_malformed(error):
                raise InvalidRequest("the body is not valid JSON", code="malformed_json", problems=problems) from None
            raise refusal(problems, error.error_count()) from None

    def _encode(self, rows: Iterable[tuple[Any, ...]]) -> bytes:
        if self._encoding is Encoding.JSON:
            return msgspec.json.encode(list(rows))
        values = array("d", chain.from_iterable(map(_fill_nulls, rows) if self._has_nulls else rows))
        if sys.byteorder == "big":
            values.byteswap()
        return values.tobytes()

    def _encode_row(self, row: tuple[Any, ...]) -> bytes:
        if self._encoding is Encoding.JSON:
            return msgspec.json.encode([row])
        return self._row_struct.pack(*(_fill_nulls(row) if self._has_nulls else row))


def _fill_nulls(row: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(math.nan if value is None else value for value in row)


def _check_not_empty(body: bytes) -> None:
    if not body.strip():
        raise InvalidRequest("the body is empty; send a JSON object", code="empty_body", problems=())


def _options_of(body: BaseModel) -> dict[str, Any]:
    """The options that a body gave, by name."""
    given = ((name, getattr(body, name)) for name in body.model_fields_set if name.startswith(OPTION_PREFIX))
    return {name.removeprefix(OPTION_PREFIX): value for name, value in given if value is not None}


def _options_beside(body: BaseModel) -> dict[str, Any]:
    """The options beside a table; they overrule those in its `params`."""
    params: BaseModel | None = getattr(body, "params", None)
    return (_options_of(params) if params else {}) | _options_of(body)


class _Pin(msgspec.Struct):
    version: Annotated[str, msgspec.Meta(max_length=MAX_NAME_CHARACTERS)] | None = None


class _Pinning(_Pin):
    params: _Pin | None = None


def find_pin(body: bytes) -> str | None:
    """The `version` of a body that may otherwise be anything; None also for what can be no version's name."""
    try:
        found = msgspec.json.decode(body.removeprefix(BOM), type=_Pinning)
    except (msgspec.DecodeError, RecursionError):
        return None
    return found.version or (found.params.version if found.params else None)


def _values_getter(count: int) -> Any:
    """A function from a validated row to the tuple of its features, in order."""
    if count == 1:
        return lambda row: (row.f0,)
    return attrgetter(*(f"f{index}" for index in range(count)))
