"""Connectors are found on disk by their file's name; a contract can have nothing else imported."""

import pytest

from connectors import registry
from connectors.base import Connector
from connectors.errors import ConnectorUnknown


def test_every_module_with_a_connector_is_found() -> None:
    assert {"file_drop"} <= set(registry.connectors_on_disk())
    assert not {"base", "registry", "places", "errors", "names", "options"} & set(registry.connectors_on_disk())


@pytest.mark.parametrize("name", registry.connectors_on_disk())
def test_what_is_found_is_a_connector(name: str) -> None:
    found = registry.connector_class(name)
    assert issubclass(found, Connector)
    assert found.__module__ == f"connectors.{name}"
    assert found.__doc__


@pytest.mark.parametrize("name", ["base", "places", "os", "../hub/cli", "file_drop.Connector", "", "files.root"])
def test_nothing_else_can_be_named(name: str) -> None:
    with pytest.raises(ConnectorUnknown):
        registry.connector_class(name)
    assert registry.option_problems(name, {})
