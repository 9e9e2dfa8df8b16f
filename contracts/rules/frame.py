"""What the row rules look at: a page's fields after normalisation, and what lies around it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from contracts.codes import CodeList
from contracts.normalise.buffers import Mask, to_mask
from contracts.normalise.column import FieldColumn

References = Callable[[str, str, pa.Array], pa.BooleanArray]
"""(feed, field, values) -> which of the values that feed holds."""

ANY = "*"


@dataclass(frozen=True)
class Frame:
    """A page as the rules see it. `exempt` are rows that withdraw a record and need no content."""

    size: int
    fields: Mapping[str, FieldColumn]
    today: date
    codes: Callable[[str], CodeList]
    references: References | None
    exempt: Mask | None = None
    identity: frozenset[str] = frozenset()  # key and subject: due even in a withdrawal
    cache: dict[Any, Any] = field(default_factory=dict)

    def over_values(self, name: str, judge: Callable[[pa.Array], pa.BooleanArray | Mask]) -> Mask | None:
        """Judges the distinct values of a field (true: broken, null: kept) and spreads it over the rows."""
        column = self.fields[name]
        broken = judge(column.values)
        mask = broken if isinstance(broken, np.ndarray) else to_mask(broken)
        return column.text.spread(mask) if mask.any() else None

    def texts(self, name: str) -> pa.StringArray:
        """Canonical texts of a field's distinct values: as a contract writes them in a condition or list."""
        return self.fields[name].texts

    def when(self, condition: Mapping[str, Any]) -> Mask:
        """Rows that meet all parts of a condition. An unreadable value meets none."""
        mask = np.ones(self.size, dtype=np.bool_)
        for name, wanted in condition.items():
            items = [wanted] if isinstance(wanted, str) else list(wanted)
            column = self.fields[name]
            if ANY in items:
                met = np.ones(self.size, dtype=np.bool_) if column.absent is None else ~column.absent
            else:
                listed = pa.array([item for item in items if item], pa.string())
                met = column.text.spread(to_mask(pc.is_in(self.texts(name), value_set=listed)))
                if "" in items and column.absent is not None:
                    met = met | (column.absent & ~column.unreadable if column.unreadable is not None else column.absent)
            mask &= met
        return mask

    def missing(self, name: str) -> Mask | None:
        """Rows in which a field has no value though it could have been read: what `required` is about."""
        column = self.fields[name]
        absent = column.absent
        if absent is None:
            return None
        if column.unreadable is not None:
            absent = absent & ~column.unreadable
        if self.exempt is not None and name not in self.identity:
            absent = absent & ~self.exempt
        return absent
