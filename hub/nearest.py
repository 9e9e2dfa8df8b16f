"""Names that somebody may have meant: for one that nothing has."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from hub.errors import NameUnknown
from hub.said import Said

MOST = 5


def nearest(given: str, known: Iterable[str]) -> list[str]:
    """At most five of the known names that are like the given one, the likest first."""
    names = sorted(set(known))
    wanted = given.casefold()[:200]
    by_form = {name.casefold(): name for name in names}
    alike = [by_form[form] for form in difflib.get_close_matches(wanted, by_form, n=MOST, cutoff=0.6)]
    holding = [name for name in names if wanted and wanted in name.casefold()]
    return list(dict.fromkeys([*alike, *holding]))[:MOST]


def told(given: str, known: Iterable[str]) -> Said:
    """The same as the end of a sentence: what is near, else what there is."""
    names = sorted(set(known))
    if found := nearest(given, names):
        return Said(f"did you mean {', '.join(found)}?", f"是否指 {'、'.join(found)}？")
    if not names:
        return Said("there is none at all", "目前一个也没有")
    shown, more = names[: MOST * 2], " …" if len(names) > MOST * 2 else ""
    return Said(f"there are: {', '.join(shown)}{more}", f"现有：{'、'.join(shown)}{more}")


def must_be_known(kind: Said, given: str | None, known: Iterable[str], command: str) -> None:
    """Whether a name that was given exists, or none was given. Raises NameUnknown, which tells those that are near.

    `kind` is what it names, `command` the hub command that lists the known ones.
    """
    names = set(known)
    if given is not None and given not in names:
        raise NameUnknown(kind=kind, given=given[:100], near=told(given, names), command=command)
