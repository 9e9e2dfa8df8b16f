"""What a data structure definition allows: its components and the codes of each.

Source: SDMX-ML 2.1 structure message (also read: 3.0 where it only renames). The file is hostile until shown otherwise:
no entities, no network, no document type, bounded size.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
from lxml import etree

from connectors.sdmx.errors import StructureUnreadable
from hub.said import Said

MAX_BYTES = 64 * 1024 * 1024
_URN = re.compile(r"=([^:=]+):([^(]+)\(([^)]+)\)(?:\.(.+))?$")  # of an artefact with a version


@dataclass(frozen=True, slots=True)
class Structure:
    """A data structure definition."""

    id: str  # AGENCY:ID(VERSION)
    ids: frozenset[str]  # its own, and those of the dataflows and provision agreements in the file that use it
    dimensions: tuple[str, ...]  # in order; the time dimension among them
    measures: tuple[str, ...]
    attributes: tuple[str, ...]
    codes: dict[str, pa.Array] = field(default_factory=dict)  # coded component -> its codes

    @property
    def components(self) -> tuple[str, ...]:
        """All components."""
        return self.dimensions + self.measures + self.attributes


def read_structure(file: str, content: bytes, wanted: str | None = None) -> Structure:
    """The data structure definition in a structure message; `wanted` picks one of several by AGENCY:ID(VERSION).

    Raises StructureUnreadable.
    """
    tree = _parsed(file, content)
    found = {_identity(element): element for element in _all(tree, "DataStructure") if _all(element, "DimensionList")}
    if wanted is None and len(found) != 1:
        reason = Said(
            f"it defines {len(found)} data structures ({', '.join(sorted(found)[:5])}); `dsd` says which is meant",
            f"定义了 {len(found)} 个数据结构（{'、'.join(sorted(found)[:5])}）；请用 `dsd` 指明",
        )
        raise StructureUnreadable(file=file, reason=reason)
    chosen = wanted if wanted is not None else next(iter(found))
    if chosen not in found:
        raise StructureUnreadable(
            file=file,
            reason=Said(
                f"it does not define {chosen}; it has {', '.join(sorted(found)[:5])}",
                f"没有定义 {chosen}；现有：{'、'.join(sorted(found)[:5])}",
            ),
        )
    lists = {
        _identity(element): [str(code.get("id")) for code in _all(element, "Code")]
        for element in _all(tree, "Codelist")
    }
    concepts = {
        (_identity(scheme), str(concept.get("id"))): concept
        for scheme in _all(tree, "ConceptScheme")
        for concept in _all(scheme, "Concept")
    }
    kinds: dict[str, list[str]] = {"dimensions": [], "measures": [], "attributes": []}
    codes: dict[str, pa.Array] = {}
    for kind, element in _components(found[chosen]):
        name = str(element.get("id") or _concept_id(element))
        kinds[kind].append(name)
        codelist = _enumeration(element) or _enumeration(concepts.get(_concept(element)))
        if codelist is not None:
            if codelist not in lists:
                raise StructureUnreadable(
                    file=file,
                    reason=Said(
                        f"{name} uses the code list {codelist}, which is not in it",
                        f"{name} 使用的代码表 {codelist} 不在其中",
                    ),
                )
            codes[name] = pa.array(lists[codelist], pa.string())
    ids = {chosen}
    for flow in _all(tree, "Dataflow"):
        if flow.get("id") and any(_reference(ref) == chosen for ref in _all(flow, "Structure")):
            ids.add(_identity(flow))
    flows = frozenset(ids)
    for agreement in _all(tree, "ProvisionAgreement"):
        usages = [*_all(agreement, "StructureUsage"), *_all(agreement, "Dataflow")]  # as 2.1 and 3.0 call it
        if agreement.get("id") and any(_reference(usage) in flows for usage in usages):
            ids.add(_identity(agreement))
    return Structure(
        chosen, frozenset(ids), tuple(kinds["dimensions"]), tuple(kinds["measures"]), tuple(kinds["attributes"]), codes
    )


def _parsed(file: str, content: bytes) -> Any:
    if len(content) > MAX_BYTES:
        raise StructureUnreadable(
            file=file, reason=Said(f"it is larger than {MAX_BYTES} bytes", f"超过 {MAX_BYTES} 字节")
        )
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, dtd_validation=False, huge_tree=False, remove_pis=True
    )
    try:
        root = etree.fromstring(content, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise StructureUnreadable(
            file=file, reason=Said(f"it is no XML: {str(error)[:200]}", f"不是 XML：{str(error)[:200]}")
        ) from None
    if root.getroottree().docinfo.doctype:
        raise StructureUnreadable(file=file, reason=Said("it has a document type declaration", "含有文档类型声明"))
    if etree.QName(root).localname != "Structure":
        raise StructureUnreadable(file=file, reason=Said("it is no SDMX-ML structure message", "不是 SDMX-ML 结构消息"))
    return root


def _components(structure: Any) -> Iterator[tuple[str, Any]]:
    dimensions = [
        *_all(structure, "Dimension"),
        *_all(structure, "MeasureDimension"),
        *_all(structure, "TimeDimension"),
    ]
    ordered = sorted(enumerate(dimensions), key=lambda item: (_position(item[1]), item[0]))
    yield from (("dimensions", element) for _, element in ordered if _listed(element))
    for name in ("PrimaryMeasure", "Measure"):
        yield from (("measures", element) for element in _all(structure, name) if _listed(element))
    yield from (("attributes", element) for element in _all(structure, "Attribute") if _listed(element))


def _listed(element: Any) -> bool:
    """Whether an element defines a component; elsewhere one of the same name refers to it."""
    return bool(element.getparent().tag.endswith("List"))


def _position(element: Any) -> int:
    if etree.QName(element).localname == "TimeDimension":
        return 1_000_000
    text = str(element.get("position") or "0")
    return int(text) if text.isdigit() and len(text) < 7 else 0


def _all(element: Any, name: str) -> list[Any]:
    """Descendants of that local name, in any namespace; SDMX versions differ in theirs."""
    return [found for found in element.iter(f"{{*}}{name}") if found is not element]


def _identity(element: Any) -> str:
    """AGENCY:ID(VERSION). Left out, the version is 1.0 (SDMX-ML 2.1, VersionableType); from 3.0 on there is none."""
    version = element.get("version") or (None if "v3_" in etree.QName(element).namespace else "1.0")
    text = f"{element.get('agencyID')}:{element.get('id')}"
    return f"{text}({version})" if version else text


def _reference(element: Any) -> str | None:
    """AGENCY:ID(VERSION) that a reference points to, as <Ref> (2.1) or as a URN (3.0)."""
    for ref in element.iter("{*}Ref", "Ref"):
        return f"{ref.get('agencyID')}:{ref.get('id')}({ref.get('version', '1.0')})"
    match = _URN.search("".join(element.itertext()).strip())
    return f"{match[1]}:{match[2]}({match[3]})" if match else None


def _enumeration(element: Any) -> str | None:
    """The code list of a component's or concept's own representation."""
    if element is None:
        return None
    for name in ("LocalRepresentation", "CoreRepresentation"):
        for representation in element.iter(f"{{*}}{name}"):
            for enumeration in representation.iter("{*}Enumeration"):
                return _reference(enumeration)
    return None


def _concept(element: Any) -> tuple[str, str]:
    """(concept scheme, concept) of a component."""
    for identity in element.iter("{*}ConceptIdentity"):
        for ref in identity.iter("{*}Ref", "Ref"):
            version = ref.get("maintainableParentVersion", "1.0")
            return f"{ref.get('agencyID')}:{ref.get('maintainableParentID')}({version})", str(ref.get("id"))
        match = _URN.search("".join(identity.itertext()).strip())
        if match and match[4]:
            return f"{match[1]}:{match[2]}({match[3]})", match[4]
    return "", ""


def _concept_id(element: Any) -> str:
    return _concept(element)[1]
