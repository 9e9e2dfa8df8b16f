"""The rival: the same packages put together the plain way, as the first tutorial one finds would.

pandas reads the file, Great Expectations checks it with row results, SQLAlchemy inserts with executemany, and
`KafkaProducer.send` sends one message per row (with crc32c, linger 20 ms, batches of 128 KiB). It has no gate, no landing,
no revisions, no outbox, no transaction across the two, and nothing survives a kill.

Run as a process of its own: `python -m benchmarks.plain_stack FEED FILE TOPIC`, prints one JSON object.
"""

from __future__ import annotations

import json
import logging
import os
import resource
import sys
import time
import warnings
from decimal import Decimal
from typing import Any

os.environ["GX_ANALYTICS_ENABLED"] = "false"
logging.getLogger("great_expectations").setLevel(logging.WARNING)
warnings.filterwarnings("ignore")

import great_expectations as gx  # noqa: E402
import great_expectations.expectations as gxe  # noqa: E402
import pandas as pd  # noqa: E402
import sqlalchemy as sa  # noqa: E402
from kafka import KafkaProducer  # noqa: E402

from contracts.catalogue import load_one  # noqa: E402
from contracts.codes import load as load_codes  # noqa: E402
from contracts.model import FeedContract, FieldSpec, RowRule  # noqa: E402
from hub.ids import FeedId  # noqa: E402
from hub.settings import settings  # noqa: E402

_SQL = {
    "string": sa.Text,
    "integer": sa.BigInteger,
    "decimal": sa.Numeric,
    "date": sa.Date,
    "timestamp": sa.DateTime,
    "boolean": sa.Boolean,
}


def expectations(contract: FeedContract, columns: set[str]) -> list[Any]:
    """What of the contract's row rules Great Expectations has an expectation for."""
    made: list[Any] = []
    for rule in contract.row_rules:
        if set(rule.fields) <= columns:
            made += _expectation(contract, rule)
    return made


def _expectation(contract: FeedContract, rule: RowRule) -> list[Any]:
    column = rule.fields[0] if rule.fields else ""
    args = rule.args
    match rule.kind:
        case "required":
            return [gxe.ExpectColumnValuesToNotBeNull(column=column)]
        case "pattern":
            return [gxe.ExpectColumnValuesToMatchRegex(column=column, regex=f"^(?:{args['pattern']})$")]
        case "enum":
            return [gxe.ExpectColumnValuesToBeInSet(column=column, value_set=list(args["values"]))]
        case "code_list":
            return [
                gxe.ExpectColumnValuesToBeInSet(column=column, value_set=sorted(load_codes(str(args["list"])).rows))
            ]
        case "length":
            return [
                gxe.ExpectColumnValueLengthsToBeBetween(
                    column=column, min_value=args.get("min"), max_value=args.get("max")
                )
            ]
        case "range":
            bound = pd.Timestamp if contract.field(column).type in ("date", "timestamp") else float
            low, high = (None if args.get(end) is None else bound(args[end]) for end in ("min", "max"))
            return [gxe.ExpectColumnValuesToBeBetween(column=column, min_value=low, max_value=high)]
        case "compare":
            larger, smaller = rule.fields if args["op"] in ("ge", "gt") else rule.fields[::-1]
            return [
                gxe.ExpectColumnPairValuesAToBeGreaterThanB(
                    column_A=larger,
                    column_B=smaller,
                    or_equal=args["op"] in ("ge", "le"),
                    ignore_row_if="either_value_is_missing",
                )
            ]
    return []


def typed(frame: pd.DataFrame, fields: list[FieldSpec]) -> pd.DataFrame:
    """Casts the text columns, what can't be cast becoming null."""
    for spec in fields:
        if spec.type in ("decimal", "integer"):
            frame[spec.name] = pd.to_numeric(frame[spec.name], errors="coerce")
        elif spec.type in ("date", "timestamp"):
            frame[spec.name] = pd.to_datetime(frame[spec.name], errors="coerce", format="mixed")
    return frame


def run(feed: str, path: str, encoding: str, topic: str) -> dict[str, Any]:
    """The whole way, plainly. Seconds of each step, rows and CPU seconds."""
    contract = load_one(FeedId(feed))
    seconds: dict[str, float] = {}
    begun = time.perf_counter()

    def lap(step: str) -> None:
        seconds[step] = round(time.perf_counter() - begun - sum(seconds.values()), 3)

    frame = pd.read_csv(path, encoding=encoding, dtype=str, keep_default_na=False, na_values=[""])
    names = {spec.source_name: spec for spec in contract.fields if spec.source_name in frame.columns}
    frame = frame.rename(columns={source: spec.name for source, spec in names.items()})
    fields = list(names.values())
    frame = typed(frame[[spec.name for spec in fields]], fields)
    frame["row"] = range(1, len(frame) + 1)
    lap("read")

    context = gx.get_context(mode="ephemeral")
    suite = context.suites.add(gx.ExpectationSuite(name="rows"))
    for expectation in expectations(contract, {spec.name for spec in fields}):
        suite.add_expectation(expectation)
    batch = context.data_sources.add_pandas("p").add_dataframe_asset("a").add_batch_definition_whole_dataframe("b")
    found = batch.get_batch({"dataframe": frame}).validate(
        suite, result_format={"result_format": "COMPLETE", "unexpected_index_column_names": ["row"]}
    )
    bad: set[int] = set()
    for result in found.results:
        bad |= {entry["row"] for entry in result.result.get("unexpected_index_list") or []}
    good = frame[~frame["row"].isin(bad)]
    lap("check")

    engine = sa.create_engine(settings().url())
    table = sa.Table(f"plain_{feed}", sa.MetaData(), *(sa.Column(spec.name, _SQL[spec.type]) for spec in fields))
    rows = good.drop(columns="row").astype(object).where(good.drop(columns="row").notna(), None).to_dict("records")
    with engine.begin() as conn:
        table.drop(conn, checkfirst=True)
        table.create(conn)
        for start in range(0, len(rows), 10_000):
            conn.execute(table.insert(), rows[start : start + 10_000])
    lap("load")

    now = settings()
    password = now.kafka_password.get_secret_value() if now.kafka_password else None
    producer = KafkaProducer(
        bootstrap_servers=now.kafka_bootstrap,
        security_protocol=now.kafka_security_protocol,
        sasl_mechanism=now.kafka_sasl_mechanism,
        sasl_plain_username=now.kafka_username,
        sasl_plain_password=password,
        linger_ms=20,
        batch_size=128 * 1024,
        acks="all",
    )
    subject = contract.subject
    for row in rows:
        value = json.dumps(row, default=str, ensure_ascii=False).encode()
        producer.send(topic, key=str(row[subject]).encode(), value=value)
    producer.flush()
    producer.close()
    lap("send")

    used = resource.getrusage(resource.RUSAGE_SELF)
    total = time.perf_counter() - begun
    return {
        "rows": len(frame),
        "sent": len(rows),
        "seconds": seconds,
        "total": round(total, 3),
        "rows_per_second": round(len(frame) / total, 1),
        "cpu_seconds": round(used.ru_utime + used.ru_stime, 2),
        "rss_mib": used.ru_maxrss // 1024,
        "expectations": len(suite.expectations),
    }


if __name__ == "__main__":
    print(json.dumps(run(*sys.argv[1:5]), default=lambda value: str(value) if isinstance(value, Decimal) else value))
