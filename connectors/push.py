"""What agencies push: nothing is fetched. A delivery comes through the door, in one of the forms that the contract takes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Literal

from pydantic import Field

from connectors import base, file_drop
from connectors.base import Delivery, Window
from connectors.places import Place
from contracts.model import FeedContract, SourceSpec

Form = Literal["ndjson", "csv", "tsv", "xlsx", "parquet"]
FORMS: tuple[Form, ...] = ("ndjson", "csv", "tsv", "xlsx", "parquet")


class PushOptions(file_drop.WrittenOptions):
    """What a contract says of pushed bodies."""

    forms: tuple[Form, ...] = Field(FORMS, min_length=1, description=f"Forms that are taken: {', '.join(FORMS)}.")


class Connector(base.Connector):
    """A source that is waited for."""

    Options: ClassVar[type[PushOptions]] = PushOptions

    def check(self) -> str:
        """Nothing is reached: it says so."""
        return "it is pushed: agencies deliver it through the door"

    def deliveries(self, _: Window) -> Iterator[Delivery]:
        """None: what was pushed has landed already."""
        return iter(())

    @classmethod
    def file_delivery(
        cls,
        contract: FeedContract,
        source: SourceSpec,
        place: Place,
        name: str,
        *,
        page_rows: int,
        home: Place | None = None,
    ) -> Delivery:
        """A file given by hand, read as a dropped one is, by its name's ending. Raises FileNotTaken."""
        said = {key: value for key, value in source.options.items() if key != "forms"}
        as_file = SourceSpec(
            id=source.id,
            connector="file_drop",
            place=source.place,
            options={**said, "glob": "*"},
            aliases=source.aliases,
            forms=source.forms,
            constants=source.constants,
            ignored=source.ignored,
        )
        return file_drop.Connector.file_delivery(contract, as_file, place, name, page_rows=page_rows, home=home)
