"""docs/contract-properties.md is what the tables say."""

from contracts import properties, reference
from contracts.gate.registry import KINDS as GATE
from contracts.rules.registry import KINDS as ROW
from contracts.suite.registry import KINDS as BATCH


def test_the_page_is_current():
    assert reference.PAGE.read_text(encoding="utf-8") == reference.page(), "run python -m contracts.reference"


def test_the_page_has_every_property_and_kind():
    page = reference.page()
    for entry in properties.TABLE:
        assert f"| `{entry.name}`" in page
        assert entry.en and entry.zh
    for name in (*ROW, *BATCH, *GATE):
        assert f"| `{name}` |" in page


def test_a_property_stands_once_in_a_place():
    assert len(properties.BY_KEY) == len(properties.TABLE)
    assert all(entry.name.startswith("hub.") for entry in properties.TABLE)
