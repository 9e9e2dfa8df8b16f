"""The demonstration's modules import one another one way, also where only the type checker looks."""

from __future__ import annotations

import ast
from graphlib import TopologicalSorter

from hub.settings import ROOT


def test_no_circle() -> None:
    modules = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts): path
        for path in sorted((ROOT / "demo").rglob("*.py"))
        if path.name != "__init__.py"
    }
    graph: dict[str, set[str]] = {}
    for name, path in modules.items():
        named: set[str] = set()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module:
                named |= {node.module, *(f"{node.module}.{one.name}" for one in node.names)}
            elif isinstance(node, ast.Import):
                named |= {one.name for one in node.names}
        graph[name] = named & set(modules) - {name}
    order = list(TopologicalSorter(graph).static_order())  # raises CycleError, which names the circle
    assert order.index("demo.facts") < order.index("demo.report") < order.index("demo.run")
