"""Writes a structure file in SDMX-ML 2.1: code lists, concepts, one data structure and its dataflow.

Source: the SDMX 2.1 schemas (message, structure, common); element order as they demand.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lxml import etree

_NS = "http://www.sdmx.org/resources/sdmxml/schemas/v2_1/"
_MES, _STR, _COM = f"{{{_NS}message}}", f"{{{_NS}structure}}", f"{{{_NS}common}}"
_XML = "{http://www.w3.org/XML/1998/namespace}lang"


@dataclass(frozen=True)
class Structure:
    """What a dataflow's observations look like."""

    agency: str
    dataflow: str
    version: str
    name_zh: str
    name_en: str
    dimensions: Sequence[str]  # in order, without TIME_PERIOD
    attributes: Sequence[str]
    codes: Mapping[str, Mapping[str, str]] = field(default_factory=dict)  # component -> code -> name; others are free

    @property
    def definition(self) -> str:
        """Id of the data structure definition."""
        return self.dataflow.replace("DF_", "DSD_")


def write(structure: Structure, path: Path) -> None:
    """Writes the structure message."""
    root = etree.Element(
        f"{_MES}Structure", nsmap={"mes": f"{_NS}message", "str": f"{_NS}structure", "com": f"{_NS}common"}
    )
    header = etree.SubElement(root, f"{_MES}Header")
    for name, text in (("ID", "DEMO"), ("Test", "true"), ("Prepared", "2026-01-04T00:00:00")):
        etree.SubElement(header, f"{_MES}{name}").text = text
    etree.SubElement(header, f"{_MES}Sender", id=structure.agency)
    parts = etree.SubElement(root, f"{_MES}Structures")
    flow = _identified(etree.SubElement(parts, f"{_STR}Dataflows"), "Dataflow", structure, structure.dataflow)
    _reference(
        etree.SubElement(flow, f"{_STR}Structure"), structure, structure.definition, "DataStructure", "datastructure"
    )
    lists = etree.SubElement(parts, f"{_STR}Codelists")
    for component, codes in structure.codes.items():
        code_list = _identified(lists, "Codelist", structure, f"CL_{component}")
        for code, name in codes.items():
            _named(etree.SubElement(code_list, f"{_STR}Code", id=code), name)
    scheme = _identified(etree.SubElement(parts, f"{_STR}Concepts"), "ConceptScheme", structure, "CS_DEMO")
    for component in (*structure.dimensions, "TIME_PERIOD", "OBS_VALUE", *structure.attributes):
        _named(etree.SubElement(scheme, f"{_STR}Concept", id=component), component)
    definition = _identified(
        etree.SubElement(parts, f"{_STR}DataStructures"), "DataStructure", structure, structure.definition
    )
    _components(etree.SubElement(definition, f"{_STR}DataStructureComponents"), structure)
    etree.ElementTree(root).write(str(path), encoding="utf-8", xml_declaration=True, pretty_print=True)


def _components(parent: etree._Element, structure: Structure) -> None:
    dimensions = etree.SubElement(parent, f"{_STR}DimensionList", id="DimensionDescriptor")
    for position, name in enumerate(structure.dimensions, start=1):
        _component(dimensions, "Dimension", name, structure, position=str(position))
    time = etree.SubElement(
        dimensions, f"{_STR}TimeDimension", id="TIME_PERIOD", position=str(len(structure.dimensions) + 1)
    )
    _concept(time, structure, "TIME_PERIOD")
    _text_format(time, "ObservationalTimePeriod")
    if structure.attributes:
        attributes = etree.SubElement(parent, f"{_STR}AttributeList", id="AttributeDescriptor")
        for name in structure.attributes:
            one = _component(attributes, "Attribute", name, structure, assignmentStatus="Conditional")
            relation = etree.SubElement(one, f"{_STR}AttributeRelationship")
            etree.SubElement(relation, f"{_STR}PrimaryMeasure").append(_ref(id="OBS_VALUE"))
    measures = etree.SubElement(parent, f"{_STR}MeasureList", id="MeasureDescriptor")
    measure = etree.SubElement(measures, f"{_STR}PrimaryMeasure", id="OBS_VALUE")
    _concept(measure, structure, "OBS_VALUE")


def _component(parent: etree._Element, kind: str, name: str, structure: Structure, **further: str) -> etree._Element:
    one = etree.SubElement(parent, f"{_STR}{kind}", id=name, **further)
    _concept(one, structure, name)
    if name in structure.codes:
        representation = etree.SubElement(one, f"{_STR}LocalRepresentation")
        _reference(
            etree.SubElement(representation, f"{_STR}Enumeration"), structure, f"CL_{name}", "Codelist", "codelist"
        )
    else:
        _text_format(one, "String")
    return one


def _concept(parent: etree._Element, structure: Structure, name: str) -> None:
    identity = etree.SubElement(parent, f"{_STR}ConceptIdentity")
    identity.append(
        _ref(
            id=name,
            maintainableParentID="CS_DEMO",
            maintainableParentVersion=structure.version,
            agencyID=structure.agency,
            package="conceptscheme",
            **{"class": "Concept"},
        )
    )


def _text_format(parent: etree._Element, kind: str) -> None:
    representation = etree.SubElement(parent, f"{_STR}LocalRepresentation")
    etree.SubElement(representation, f"{_STR}TextFormat", textType=kind)


def _identified(parent: etree._Element, kind: str, structure: Structure, name: str) -> etree._Element:
    one = etree.SubElement(
        parent, f"{_STR}{kind}", id=name, agencyID=structure.agency, version=structure.version, isFinal="true"
    )
    _named(one, structure.name_en, structure.name_zh)
    return one


def _named(one: etree._Element, english: str, chinese: str = "") -> None:
    for lang, text in (("en", english), ("zh", chinese)):
        if text:
            label = etree.SubElement(one, f"{_COM}Name")
            label.set(_XML, lang)
            label.text = text


def _reference(parent: etree._Element, structure: Structure, name: str, kind: str, package: str) -> None:
    parent.append(
        _ref(id=name, version=structure.version, agencyID=structure.agency, package=package, **{"class": kind})
    )


def _ref(**attributes: str) -> etree._Element:
    return etree.Element("Ref", **attributes)
