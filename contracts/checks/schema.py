"""The Arrow types of a contract, of the good and of the bad rows of a page."""

from __future__ import annotations

import pyarrow as pa

from contracts.model import FeedContract, FieldSpec
from contracts.normalise.numbers import decimal_type
from contracts.normalise.times import INSTANT

EXTRA = (
    pa.field("_row", pa.int64(), nullable=False),
    pa.field("_key", pa.string(), nullable=False),
    pa.field("_subject", pa.string(), nullable=False),
    pa.field("_hash", pa.binary(32), nullable=False),
    pa.field("_version", pa.string()),
    pa.field("_withdrawn", pa.bool_(), nullable=False),
    pa.field("_changes", pa.int64(), nullable=False),
)

BAD_SCHEMA = pa.schema(
    [
        pa.field("_row", pa.int64(), nullable=False),
        pa.field("_source_row", pa.int64(), nullable=False),
        pa.field("_unit", pa.string(), nullable=False),
        pa.field("_key", pa.string()),
        pa.field("_rules", pa.list_(pa.string()), nullable=False),
        pa.field("_raw", pa.string(), nullable=False),
    ]
)


def arrow_type(spec: FieldSpec) -> pa.DataType:
    """The Arrow type of a field."""
    if spec.type == "decimal":
        return decimal_type(spec)
    return {
        "string": pa.string(),
        "integer": pa.int64(),
        "date": pa.date32(),
        "timestamp": INSTANT,
        "boolean": pa.bool_(),
    }[spec.type]


def arrow_schema(contract: FeedContract) -> pa.Schema:
    """The contract's fields, in contract order."""
    return pa.schema([pa.field(spec.name, arrow_type(spec)) for spec in contract.fields])


def good_schema(contract: FeedContract) -> pa.Schema:
    """The schema of `CheckedPage.good`, whose text fields may be dictionaries."""
    return pa.schema([*arrow_schema(contract), *EXTRA])


def decoded(good: pa.Table) -> pa.Table:
    """`CheckedPage.good` without dictionaries."""
    fields = [
        field.with_type(field.type.value_type) if pa.types.is_dictionary(field.type) else field for field in good.schema
    ]
    return good.cast(pa.schema(fields))
