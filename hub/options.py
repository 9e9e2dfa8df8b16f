"""The options and arguments that many commands take, each said once; beside `hub.output.AsJson`, which all have."""

from __future__ import annotations

from typing import Annotated

import typer

SEVERAL = "Several: with commas, or given again."
"""What the help of every option that takes a list ends with; `hub.repeated` makes it true."""

Feed = Annotated[str, typer.Argument(help="Feed: the contract's id.")]
"""The one feed that a command is about."""

OnlyFeed = Annotated[str | None, typer.Option(help="Only this feed.")]
"""Narrows a list to one feed."""

Limit = Annotated[int, typer.Option(min=1, max=10_000, help="At most so many.")]
"""How many rows a list has at the most, the newest."""

Operator = Annotated[str, typer.Option(help="Name of the person who decides; stands on record.")]
"""Who acts. A command that gives it no default can't be called without; `warehouse.acts.named` refuses an empty one."""

Reason = Annotated[str, typer.Option(help="Why; stands on record.")]
"""Why somebody acts."""

OperatorInReceipt = Annotated[str, typer.Option(help="Name of the person who decides; stands in the receipt.")]
"""Who acts on a batch or its rows: the sender will read the name."""

ReasonInReceipt = Annotated[str, typer.Option(help="Why; stands in the receipt.")]
"""Why somebody acts on a batch or its rows: the sender will read it."""
