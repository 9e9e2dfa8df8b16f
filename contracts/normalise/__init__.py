"""Normalisation: what is changed in a value before it is judged, each change counted and marked on its row.

`STEPS` names the text steps that a contract may list in `hub.normalise`. Forms (`hub.forms`), units, code maps,
null values and constants are declared on the field and are steps too: see `FORMS` and `UNITS`.
"""

from __future__ import annotations

from contracts.normalise.registry import FORMS, IMPLICIT_STEPS, STEPS, UNITS, form_problems

__all__ = ["FORMS", "IMPLICIT_STEPS", "STEPS", "UNITS", "form_problems"]
