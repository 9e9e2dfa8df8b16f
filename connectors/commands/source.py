"""Sources: list those that contracts name, check that each can be reached, options of each kind."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from connectors.errors import SourceUnknown
from connectors.places import listed_places
from connectors.registry import connector_class, connectors_on_disk, open_connector
from contracts import catalogue
from contracts.model import FeedContract, SourceSpec
from hub.errors import HubException
from hub.ids import FeedId
from hub.nearest import must_be_known
from hub.output import AsJson, emit_rows
from hub.said import Said
from hub.settings import settings

app = typer.Typer(help=__doc__, no_args_is_help=True)

Feed = Annotated[str | None, typer.Argument(metavar="ID", help="Feed, or feed/source; none: all.")]

FEED = Said("feed", "数据源")

Kind = Annotated[str | None, typer.Argument(metavar="CONNECTOR", help="A connector; none: all.")]


@app.command("list")
def list_sources(as_json: AsJson = False) -> None:
    """Every source of every contract: its connector, its place, and whether the operator listed it."""
    places = listed_places()
    rows = [
        {
            "feed": contract.id,
            "source": source.id,
            "connector": source.connector,
            "place": source.place,
            "listed": source.place in places,
        }
        for contract, source in _sources(None)
    ]
    columns = [(key, key) for key in ("feed", "source", "connector", "place", "listed")]
    emit_rows(rows, columns, as_json=as_json)


@app.command("check")
def check_sources(feed: Feed = None, as_json: AsJson = False) -> None:
    """Reach the sources (all, one contract's, or one) and say what was found; ends with 1 where one fails."""
    places = listed_places()
    rows: list[dict[str, Any]] = []
    for contract, source in _sources(feed):
        row: dict[str, Any] = {"feed": contract.id, "source": source.id, "ok": True}
        try:
            row["found"] = open_connector(contract, source, places, settings().page_rows).check()
        except HubException as error:
            row |= {
                "ok": False,
                "found": f"{error.code} {error.sentence()}",
                "remedy": error.remedy(),
                **error.as_dict(),
            }
        rows.append(row)
    columns = (*((key, key) for key in ("feed", "source", "ok", "found", "remedy")), ("remedy_zh", "处理办法"))
    emit_rows(rows, columns, as_json=as_json)
    if not all(row["ok"] for row in rows):
        raise typer.Exit(1)


@app.command("options")
def source_options(connector: Kind = None, as_json: AsJson = False) -> None:
    """What a contract's server may say to each connector (`hub.options`)."""
    rows = [row for name in ([connector] if connector else connectors_on_disk()) for row in _options(name)]
    emit_rows(rows, [(key, key) for key in ("connector", "option", "default", "meaning")], as_json=as_json)


def _options(name: str) -> Iterator[dict[str, Any]]:
    for option, spec in connector_class(name).Options.model_fields.items():
        default = "required" if spec.is_required() else str(spec.get_default(call_default_factory=True))
        yield {"connector": name, "option": spec.alias or option, "default": default, "meaning": spec.description or ""}


def _sources(wanted: str | None) -> Iterator[tuple[FeedContract, SourceSpec]]:
    """The sources of all contracts, of a feed, or the one named feed/source. Raises NameUnknown, SourceUnknown."""
    if wanted is None:
        contracts = list(catalogue.load().feeds.values())
        yield from ((contract, source) for contract in contracts for source in contract.sources)
        return
    feed, _, name = wanted.partition("/")
    on_disk = catalogue.load()
    must_be_known(FEED, feed, {*on_disk.feeds, *(one.id for one in on_disk.broken)}, "hub contract list")
    contract = catalogue.load_one(FeedId(feed))
    found = [source for source in contract.sources if name in ("", source.id)]
    if not found:
        raise SourceUnknown(feed=feed, source=name[:100], known=", ".join(source.id for source in contract.sources))
    yield from ((contract, source) for source in found)
