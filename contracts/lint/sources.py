"""Sources: one place each, a connector, and forms and constants of fields that exist."""

from __future__ import annotations

from contracts import errors
from contracts.lint.around import Around
from contracts.lint.names import MAX_NAME, SNAKE
from contracts.normalise.registry import form_problems
from contracts.view import View, map_of_texts, text_map
from hub.said import Said

# What the standard lets a custom server say, and a contract of the hub does not: where the source is.
_ADDRESSES = (
    "account", "endpointUrl", "host", "location", "port", "project", "region", "regionName", "roles", "serviceName",
    "stagingDir", "stream", "warehouse",
)  # fmt: skip


def check(view: View, around: Around) -> None:
    """The entries of `servers`."""
    seen: set[str] = set()
    entries = list(view.mappings(("servers",)))
    if not entries:
        view.document.problem(
            errors.Missing,
            (),
            where=Said("the contract", "数据契约"),
            what="servers",
            why=Said("where the feed comes from", "数据从何而来"),
        )
    for path, entry in entries:
        name = entry.get("server")
        if not isinstance(name, str) or not SNAKE.fullmatch(name) or len(name) > MAX_NAME or name in seen:
            view.document.problem(
                errors.NameWrong,
                (*path, "server"),
                what=Said("the source", "来源"),
                name=str(name)[:60],
                reason=Said("it is snake_case and no other source has it", "应为小写字母加下划线，且不与其他来源重复"),
            )
        seen.add(str(name))
        if entry.get("type") != "custom":
            view.document.problem(
                errors.PropertyWrong,
                (*path, "type"),
                name="type",
                reason=Said(
                    "it is `custom`: hosts, ports and secrets stand in the operator's list of places, hub.connector says what kind of source it is",
                    "应为 `custom`：主机、端口和密钥在运维人员的来源地清单中，来源种类由 hub.connector 写明",
                ),
            )
        for key in _ADDRESSES if entry.get("type") == "custom" else ():
            if key in entry:
                view.document.problem(
                    errors.PropertyWrong, (*path, key), name=key,
                    reason=Said("a contract names a place (hub.place) of the operator's list, never an address; options of the connector stand in hub.options", "契约只写来源地清单中的来源地（hub.place），不写地址；连接器选项写在 hub.options 中"),
                )  # fmt: skip
        if not str(entry.get("description", "")).strip():
            view.document.problem(
                errors.Missing,
                path,
                where=Said(f"the source {name}", f"来源 {name}"),
                what="description",
                why=Said("who keeps it and what it holds", "由谁维护、内容是什么"),
            )
        own = view.hub(path)
        for field, forms in map_of_texts(own.get("forms")).items():
            spec = view.known.get(field)
            for problem in form_problems(spec.type, forms) if spec else ():
                view.document.problem(
                    errors.PropertyWrong, view.hub_path(path, "forms"), name="hub.forms", reason=f"{field}: {problem}"
                )
        for field in text_map(own.get("constants")):
            if field in map_of_texts(own.get("aliases")):
                view.document.problem(
                    errors.PropertyWrong,
                    view.hub_path(path, "constants"),
                    name="hub.constants",
                    reason=Said(
                        f"{field} has both a constant and headers at this source", f"{field} 在此来源既有固定值又有列名"
                    ),
                )
