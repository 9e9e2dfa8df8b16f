"""Small SDMX-ML 2.1 structure messages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

_NS = (
    'xmlns:m="http://www.sdmx.org/resources/sdmxml/schemas/v2_1/message" '
    'xmlns:s="http://www.sdmx.org/resources/sdmxml/schemas/v2_1/structure"'
)


def structure(
    dimensions: Mapping[str, Iterable[str] | None],
    measures: Iterable[str] = ("OBS_VALUE",),
    attributes: Mapping[str, Iterable[str] | None] | None = None,
    *,
    time: str | None = None,
    flow: str | None = None,
    name: str = "DSD",
) -> bytes:
    """AG:DSD(1.0) with these components; a component with codes takes its list from the file. `flow` names a dataflow."""
    attributes = attributes or {}
    lists = {key: codes for key, codes in {**dimensions, **attributes}.items() if codes is not None}
    codelists = "".join(
        f'<s:Codelist id="CL_{key}" agencyID="AG" version="1.0">'
        + "".join(f'<s:Code id="{code}"/>' for code in codes)
        + "</s:Codelist>"
        for key, codes in lists.items()
    )

    def component(tag: str, key: str, position: int) -> str:
        ref = f'<Ref id="CL_{key}" agencyID="AG" version="1.0"/>'
        local = (
            f"<s:LocalRepresentation><s:Enumeration>{ref}</s:Enumeration></s:LocalRepresentation>"
            if key in lists
            else ""
        )
        return f'<s:{tag} id="{key}" position="{position}">{local}</s:{tag}>'

    inner = "".join(component("Dimension", key, index) for index, key in enumerate(dimensions, 1))
    inner += component("TimeDimension", time, 99) if time else ""
    flows = (
        f'<s:Dataflows><s:Dataflow id="{flow}" agencyID="AG" version="1.0"><s:Structure>'
        f'<Ref id="{name}" agencyID="AG" version="1.0"/></s:Structure></s:Dataflow></s:Dataflows>'
        if flow
        else ""
    )
    return (
        f"<m:Structure {_NS}><m:Structures>{flows}<s:Codelists>{codelists}</s:Codelists><s:DataStructures>"
        f'<s:DataStructure id="{name}" agencyID="AG" version="1.0"><s:DataStructureComponents>'
        f"<s:DimensionList>{inner}</s:DimensionList>"
        f"<s:AttributeList>{''.join(component('Attribute', key, 0) for key in attributes)}</s:AttributeList>"
        f"<s:MeasureList>{''.join(component('PrimaryMeasure', key, 0) for key in measures)}</s:MeasureList>"
        "</s:DataStructureComponents></s:DataStructure></s:DataStructures></m:Structures></m:Structure>"
    ).encode()
