"""Feeds: how they stand, and whether Airflow rings them."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.markup import escape

from connectors import places
from contracts import catalogue
from contracts.model import FeedContract
from dags import switches
from dags.names import dag_id_of
from dags.switches import Switches
from exchange.desk.feed_status import FeedStatus, status
from hub.ids import FeedId
from hub.output import AsJson, console, emit_json, emit_rows, say_error
from hub.said import Said, listed
from hub.settings import settings
from warehouse.engine import connection

app = typer.Typer(no_args_is_help=True, help="Feeds: status.")

_STATUS = (
    "feed",
    "state",
    "taken",
    "Airflow",
    "last batch",
    "age h",
    "promised h",
    "lag events",
    "lag min",
    "in quarantine",
    "alarms",
)


@app.callback()
def _feeds() -> None:
    """Feeds: how they stand."""


@app.command("status")
def show_status(
    feed: Annotated[str | None, typer.Argument(help="Feed: the contract's id; without it all feeds.")] = None,
    as_json: AsJson = False,
) -> None:
    """Shows how feeds stand against their contracts: last batch, freshness, lag, quarantine, pause, open alarms.

    `paused` is the hub's own pause, by a named person. Airflow's switch of the feed's DAG is told apart from it: on, off, or nothing
    where no Airflow runs here. A feed of whose sources no place is listed is taken by hand only.
    """
    wanted = list(catalogue.load().feeds.values()) if feed is None else [catalogue.load_one(FeedId(feed))]
    with connection() as conn:
        found = [status(conn, contract) for contract in wanted]
    switched = switches.of_all(settings())
    known = places.listed_places()
    shown = [(contract, one, places.unlisted(contract, known)) for contract, one in zip(wanted, found, strict=True)]
    if as_json:
        emit_json([_facts(contract, one, away, switched) for contract, one, away in shown])
        return
    emit_rows([_line(*of_feed, switched) for of_feed in shown], [(name, name) for name in _STATUS], as_json=False)
    for contract, one, away in shown:
        for text in _notes(contract, one, away, switched):
            for said in (text, text.zh):
                console().print(f"[yellow]{escape(said)}[/]", soft_wrap=True)
    if switched.error is not None:
        say_error(console(), switched.error, "Airflow's switches")


def _facts(contract: FeedContract, one: FeedStatus, away: tuple[str, ...], switched: Switches) -> dict[str, Any]:
    word = switched.word(dag_id_of(contract.id))
    return {
        **one.as_dict(),
        "by_hand_only": _by_hand_only(contract, away),
        "unlisted_places": list(away),
        "airflow": {"asked": switched.asked, "switch": word or None, "error": switched.error},
    }


def _by_hand_only(contract: FeedContract, away: tuple[str, ...]) -> bool:
    return all(source.place in away for source in contract.sources)


def _taken(contract: FeedContract, away: tuple[str, ...]) -> str:
    """How deliveries of it are taken: by its schedule, when somebody rings, or by hand only."""
    if _by_hand_only(contract, away):
        return "by hand only"
    return contract.sla.schedule or "when rung"


def _notes(contract: FeedContract, one: FeedStatus, away: tuple[str, ...], switched: Switches) -> list[Said]:
    """What the table can't say in a word."""
    feed, said = contract.id, list[Said]()
    if one.paused is not None:
        said.append(
            Said(
                f"{feed}: paused in the hub by {one.paused.operator}: {one.paused.reason}",
                f"{feed}：已由 {one.paused.operator} 在枢纽中暂停：{one.paused.reason}",
            )
        )
    if away:
        named = listed(away)
        only = _by_hand_only(contract, away)
        unkept = "; its schedule is not kept" if only and contract.sla.schedule else ""
        unkept_zh = "；其调度计划不会执行" if unkept else ""
        by_hand = ("by hand only: ", "仅可手工接收：") if only else ("", "")
        said.append(
            Said(
                f"{feed}: {by_hand[0]}no place is listed for {named}{unkept} (`hub feed run {feed} --file FILE`; docs/places.md)",
                f"{feed}：{by_hand[1]}来源地 {named.zh} 未登记{unkept_zh}（`hub feed run {feed} --file 文件`，见 docs/places.md）",
            )
        )
    if switched.word(dag_id_of(feed)) == "off":
        said.append(
            Said(
                f"{feed}: Airflow's own switch of {dag_id_of(feed)} is off, so no run of it starts; it is switched on on Airflow's pages, "
                "`hub feed resume` does not",
                f"{feed}：Airflow 中 {dag_id_of(feed)} 的开关已关闭，不会启动运行；请在 Airflow 页面上打开，`hub feed resume` 不影响该开关",
            )
        )
    return said


def _line(contract: FeedContract, one: FeedStatus, away: tuple[str, ...], switched: Switches) -> dict[str, Any]:
    last = one.last
    return {
        "feed": one.feed,
        "state": one.state,
        "taken": _taken(contract, away),
        "Airflow": switched.word(dag_id_of(contract.id)),
        "last batch": "none" if last is None else f"{last.batch_id} {last.state}",
        "age h": one.age_hours,
        "promised h": one.freshness_hours,
        "lag events": one.lag_events,
        "lag min": one.lag_minutes,
        "in quarantine": one.open_rows,
        "alarms": ", ".join(one.alarms),
    }
