"""What a change is called at its edges: bounds of retention, what a wider gate rule is, which exceptions are none, hostile revisions."""

from __future__ import annotations

import io
import tarfile
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest

from contracts import reader
from contracts.diff import base, exceptions
from contracts.diff.change import Change
from contracts.diff.comparing import compare
from contracts.diff.errors import BaseUnknown, ExceptionInvalid
from contracts.model import FeedContract, GateRule
from hub.ids import RuleId
from tests.contracts.sample import SAMPLE, folder, write

TODAY = date(2026, 3, 1)


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> FeedContract:
    root = tmp_path_factory.mktemp("sample")
    folder(root)
    return reader.read(write(root, "audit_samples", SAMPLE), root=root)


def ids(old: FeedContract, new: FeedContract) -> list[str]:
    return [change.id for change in compare(old, new)]


@pytest.mark.parametrize(
    ("name", "was", "now", "less"),
    [
        ("retention.ms", "9000", "8999", True),
        ("retention.ms", "9000", "9001", False),
        ("retention.ms", "9000", "-1", False),
        ("retention.ms", "-1", "9000", True),
        ("retention.ms", None, "9000", True),
        ("retention.ms", None, "-1", False),
        ("retention.ms", "9000", None, False),
        ("retention.bytes", "10", "9", True),
        ("delete.retention.ms", "10", "9", True),
        ("segment.ms", "10", "9", False),
        ("cleanup.policy", "delete", "compact", True),
        ("cleanup.policy", "delete", "compact,delete", True),
        ("cleanup.policy", "compact", "compact,delete", False),
        ("cleanup.policy", "compact", "delete", False),
    ],
)
def test_a_topic_keeps_less(sample: FeedContract, name: str, was: str | None, now: str | None, less: bool) -> None:
    old, new = (
        replace(sample, topic=replace(sample.topic, config={} if value is None else {name: value}))
        for value in (was, now)
    )
    assert ids(old, new) == [f"{'topic_keeps_less' if less else 'topic_config_changed'}:{name}"]


RULE = GateRule(
    RuleId("g"), "personal_data", "mask", ("remark",), {"detect": ("a",), "except": ("x", "y")}, "规则", "Rule"
)


@pytest.mark.parametrize(
    ("change", "wider"),
    [
        ({"args": {"detect": ("a", "b"), "except": ("x", "y")}}, True),
        ({"args": {"detect": ("b",), "except": ("x", "y")}}, False),
        ({"args": {"detect": ("a",), "except": ("x",)}}, True),
        ({"args": {"detect": ("a",)}}, True),
        ({"args": {"detect": ("a",), "except": ("x", "y", "z")}}, False),
        ({"args": {"except": ("x", "y")}}, False),
        ({"args": {"detect": ("a",), "except": ("x", "y"), "level": "9"}}, False),
        ({"fields": ()}, True),
        ({"fields": ("remark", "found_on")}, True),
        ({"fields": ("found_on",)}, False),
        ({"action": "refuse_row"}, False),
        ({"kind": "secrecy"}, False),
    ],
)
def test_a_gate_rule_is_wider_where_it_finds_all_it_found(sample: FeedContract, change: dict, wider: bool) -> None:
    old, new = (replace(sample, gate_rules=(rule,)) for rule in (RULE, replace(RULE, **change)))
    assert ids(old, new) == [f"{'gate_rule_widened' if wider else 'gate_rule_changed'}:g"]


def test_a_gate_rule_on_all_fields_is_narrowed_by_naming_some(sample: FeedContract) -> None:
    old, new = (replace(sample, gate_rules=(replace(RULE, fields=fields),)) for fields in ((), ("remark",)))
    assert ids(old, new) == ["gate_rule_changed:g"]


def batch_rule(sample: FeedContract, **change: object) -> FeedContract:
    (rule,) = sample.batch_rules
    return replace(sample, batch_rules=(replace(rule, **change),))


def test_a_batch_rule_that_holds_is_told_when_it_judges_otherwise(sample: FeedContract) -> None:
    (rule,) = sample.batch_rules
    assert rule.gate
    other = batch_rule(sample, args={"min": 9})
    assert ids(sample, other) == ["batch_rule_holds:not_empty"]
    assert ids(sample, batch_rule(sample, gate=False)) == ["batch_rule_holds_no_more:not_empty"]
    assert ids(batch_rule(sample, gate=False), sample) == ["batch_rule_holds:not_empty"]
    assert ids(batch_rule(sample, gate=False), batch_rule(sample, gate=False, args={"min": 9})) == [
        "batch_rule_changed:not_empty"
    ]
    assert ids(sample, replace(sample, batch_rules=())) == ["batch_rule_holds_no_more:not_empty"]
    assert ids(replace(sample, batch_rules=()), sample) == ["batch_rule_holds:not_empty"]


def test_what_a_source_passes_over_is_compared(sample: FeedContract) -> None:
    (source,) = sample.sources
    more = replace(sample, sources=(replace(source, ignored=("junk",)),))
    assert ids(more, sample) == [f"ignored_removed:{source.id}"] and ids(sample, more) == [f"ignored_added:{source.id}"]


def test_a_decimal_has_a_precision_and_a_scale(sample: FeedContract) -> None:
    at = [spec.name for spec in sample.fields].index("amount_cny")
    for change in ({"scale": 3}, {"precision": 19}):
        fields = (*sample.fields[:at], replace(sample.fields[at], **change), *sample.fields[at + 1 :])
        assert ids(sample, replace(sample, fields=fields)) == ["field_precision_changed:amount_cny"]


def test_a_field_that_was_not_published_and_becomes_optional_breaks_nobody(sample: FeedContract) -> None:
    at = [spec.name for spec in sample.fields].index("found_on")

    def with_field(**change: object) -> FeedContract:
        return replace(
            sample, fields=(*sample.fields[:at], replace(sample.fields[at], **change), *sample.fields[at + 1 :])
        )

    inside = with_field(required=True, published=False)
    assert ids(with_field(required=True), with_field()) == ["field_made_optional:found_on"]
    assert ids(inside, with_field(published=False)) == ["field_optional_inside:found_on"]
    # Published as it becomes required: the events from before don't have it.
    assert ids(with_field(published=False), with_field(required=True)) == [
        "field_made_required:found_on",
        "field_published_required:found_on",
    ]
    assert ids(inside, with_field()) == ["field_optional_inside:found_on", "field_published:found_on"]


def test_breaking_changes_come_first_then_as_their_effect_ranks(sample: FeedContract) -> None:
    (source,) = sample.sources
    new = replace(
        sample,
        owner="other_office",
        subject="sample_no",
        structure="s.xml",
        ignored=("junk",),
        senders=(*sample.senders, "x_sender"),
        sources=(replace(source, place="elsewhere"),),
    )
    effects = [change.about.effect for change in compare(sample, new)]
    assert effects == ["breaks", "tightens", "loosens", "adds", "notes", "notes"]


def exception(**more: str) -> str:
    values = {
        "change": '"field_removed:remark"',
        "version": '"1.1.0"',
        "reason": '"told in March"',
        "owner": '"audit_steward"',
        "expires": "2026-03-02",
    }
    return "[[exception]]\n" + "".join(f"{name} = {value}\n" for name, value in {**values, **more}.items())


def test_an_exception_holds_through_its_last_day_for_one_change_of_one_version(tmp_path: Path) -> None:
    path = tmp_path / "x.exceptions.toml"
    path.write_text(exception())
    (one,) = exceptions.read(path, TODAY)
    mine = Change("field_removed", "remark")
    assert one.holds(mine, "1.1.0", one.expires) and not one.holds(mine, "1.1.0", one.expires + timedelta(days=1))
    assert not one.holds(mine, "1.1.1", TODAY) and not one.holds(Change("field_removed", "place"), "1.1.0", TODAY)


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"expires": "2026-03-02T00:00:00"}, "expires is no day"),
        ({"expires": '"2026-03-02"'}, "expires is no day"),
        ({"expires": "2027-03-03"}, "more than a year"),
        ({"reason": '"too few"'}, "too little"),
        ({"change": '"field_added:x"'}, "no breaking change"),
        ({"owner": '"steward"'}, "a role"),
    ],
)
def test_an_exception_at_its_bounds(tmp_path: Path, more: dict[str, str], why: str) -> None:
    path = tmp_path / "x.exceptions.toml"
    path.write_text(exception(**more))
    with pytest.raises(ExceptionInvalid, match=why):
        exceptions.read(path, TODAY)
    assert timedelta(days=366) == exceptions.LONGEST
    path.write_text(exception(expires="2027-03-02", reason='"8 signs."'))
    assert len(exceptions.read(path, TODAY)) == 1


def test_a_file_of_exceptions_has_a_greatest_size(tmp_path: Path) -> None:
    path = tmp_path / "x.exceptions.toml"
    path.write_text(exception().ljust(exceptions.MAX_BYTES, "\n"))
    assert len(exceptions.read(path, TODAY)) == 1
    path.write_text(exception().ljust(exceptions.MAX_BYTES + 1, "\n"))
    with pytest.raises(ExceptionInvalid, match=str(exceptions.MAX_BYTES)):
        exceptions.read(path, TODAY)


def test_a_revision_is_never_an_option_and_no_file_leaves_its_folder(tmp_path: Path) -> None:
    with pytest.raises(BaseUnknown, match="it is no revision"), base.unpacked(Path(__file__).parent, "--help"):
        pass
    where = tmp_path / "in"
    where.mkdir()
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name in ("../outside", "a/../../outside", str(tmp_path / "outside"), "a/inside"):
            member = tarfile.TarInfo(name)
            member.size = 1
            tar.addfile(member, io.BytesIO(b"x"))
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    buffer.seek(0)
    with tarfile.open(fileobj=buffer) as tar:
        base._extract(tar, where)
    assert [path.relative_to(tmp_path).as_posix() for path in sorted(tmp_path.rglob("*")) if path.is_file()] == [
        "in/a/inside"
    ]
