"""Names of datasets that resolve: what a person or another tool finds under them is the thing itself.

    file://<host>            /srv/drop/county_audit          a folder; a file's own name may tell of a person
    postgres://<host>:<port> hub.core.<table>                database, schema, table
    kafka://<host>:<port>    <topic>                         by the first bootstrap server
    https://<host>[:<port>]  /path

Never a user, a password or a query.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass
from urllib.parse import urlsplit

import sqlalchemy as sa

from connectors.places import Place, listed_places
from contracts.model import FeedContract, SourceSpec
from hub.settings import Settings
from warehouse.feeds.tables import core_table

_SCHEMES = {"postgresql": ("postgres", 5432), "mysql": ("mysql", 3306), "mariadb": ("mysql", 3306)}


@dataclass(frozen=True, slots=True)
class Dataset:
    """A dataset's name."""

    namespace: str
    name: str


def of_source(source: SourceSpec) -> Dataset | None:
    """Where a source lies; None where its place is not listed. Raises PlacesUnreadable."""
    place = listed_places().get(source.place)
    if place is None:
        return None
    if place.base_url is not None:
        return _http(place.base_url, str(source.options.get("path", "")))
    if place.root is not None:
        below = place.database if place.dialect and place.database else ""
        return Dataset(f"file://{socket.gethostname()}", str(place.root / below))
    return _table(place, str(source.options.get("schema", "")), str(source.options.get("table", "")))


def of_table(contract: FeedContract, now: Settings) -> Dataset:
    """The feed's table."""
    url = sa.make_url(now.url())
    table = core_table(contract)
    name = ".".join(filter(None, (url.database, table.schema, table.name)))
    return Dataset(f"postgres://{_host(url.host)}:{url.port or 5432}", name)


def of_topic(contract: FeedContract, now: Settings) -> Dataset | None:
    """The feed's topic; None where no broker is set."""
    if not now.kafka_bootstrap:
        return None
    first = now.kafka_bootstrap.split(",")[0].strip()
    return Dataset(f"kafka://{first}", contract.topic.name)


def _http(base: str, path: str) -> Dataset:
    parts = urlsplit(base)
    port = f":{parts.port}" if parts.port else ""
    whole = f"{parts.path.rstrip('/')}/{path.partition('?')[0].lstrip('/')}"
    return Dataset(f"{parts.scheme}://{_host(parts.hostname)}{port}", whole)


def _table(place: Place, schema: str, table: str) -> Dataset:
    dialect = (place.dialect or "").split("+")[0]
    scheme, port = _SCHEMES.get(dialect, (dialect or "sql", None))
    schema = schema or ("public" if scheme == "postgres" else "")
    name = ".".join(filter(None, (place.database, schema, table)))
    number = place.port or port
    return Dataset(f"{scheme}://{_host(place.host)}{f':{number}' if number else ''}", name)


def _host(host: str | None) -> str:
    # A socket's folder is this machine.
    host = "localhost" if not host or host.startswith("/") else host
    return f"[{host}]" if ":" in host else host
