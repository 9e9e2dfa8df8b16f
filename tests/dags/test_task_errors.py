"""What a task makes of an error: only TransientError is tried again, and no log shows what it must not."""

from __future__ import annotations

import json
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowException, AirflowFailException

from connectors.errors import PlaceUnknown
from dags.errors import AirflowRefused, AirflowSilent, ContractsBroken
from dags.failed_task import failed_task
from dags.operators import HubTask, told
from hub.failure import frames

PERSONAL = "110101199003071234"


class Raising(HubTask):
    """A task that raises what it is given."""

    def __init__(self, *, error: Exception | None, **rest: Any) -> None:
        super().__init__(task_id="raising", **rest)
        self.error = error

    def work(self, context: Any) -> dict[str, Any]:
        if self.error is not None:
            raise self.error
        return {"batches": ["one"]}


def run(error: Exception | None) -> Any:
    # `execute` itself, as Airflow's own guard against calls from outside a task wants a running one.
    return HubTask.execute.__wrapped__(Raising(error=error), {})  # type: ignore[attr-defined]


def test_success_gives_what_the_work_gave() -> None:
    assert run(None) == {"batches": ["one"]}


def test_a_transient_error_is_left_to_be_tried_again() -> None:
    with pytest.raises(AirflowException) as raised:
        run(AirflowSilent(address="127.0.0.1:1", reason="ConnectError"))
    assert not isinstance(raised.value, AirflowFailException)
    assert "HUB-DAG-007" in str(raised.value)


@pytest.mark.parametrize(
    "error",
    [ContractsBroken(count=1, listing="x"), AirflowRefused(request="GET /", status=403, answer="no")],
    ids=["agency", "hub"],
)
def test_any_other_hub_error_fails_at_once_with_code_and_remedy(error: Any, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(AirflowFailException) as raised:
        run(error)
    for text in (error.code, error.sentence(), error.sentence("zh"), error.remedy(), error.remedy("zh")):
        assert text in str(raised.value)
        assert text in caplog.text


def test_a_bug_fails_at_once_and_its_text_stays_out_of_log_and_exception(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(AirflowFailException) as raised:
        run(ValueError(f"row of {PERSONAL}"))
    assert "HUB-BUG-001" in str(raised.value)
    assert "ValueError" in str(raised.value)
    assert "test_task_errors.py" in str(raised.value)
    assert PERSONAL not in str(raised.value)
    assert PERSONAL not in caplog.text
    assert raised.value.__context__ is None, "a chained traceback would print the bug's text"
    assert raised.value.__cause__ is None


def test_frames_name_places_and_no_source_line() -> None:
    try:
        int("secret-value")
    except ValueError as error:
        found = frames(error)
    assert found[-1].endswith("in test_frames_name_places_and_no_source_line")
    assert "secret-value" not in "".join(found)


@pytest.mark.parametrize("as_json", [False, True], ids=["text", "json"])
def test_what_a_failed_task_said_is_read_back_from_its_log(as_json: bool) -> None:
    error = PlaceUnknown(source="s", feed="f", place="我的 | place")
    lines = [
        "Log message source details",
        "[2026] something else",
        told(AirflowSilent(address="a", reason="first")),
        told(error),
    ]
    log = "\n".join(json.dumps({"event": line, "level": "error"}) if as_json else line for line in lines)
    found = failed_task("feed_f", "r", "carry", 2, log)
    assert found.log == "dag_id=feed_f/run_id=r/task_id=carry/attempt=2.log"
    assert (found.code, found.remedy_en, found.remedy_zh) == (error.code, error.remedy(), error.remedy("zh"))
    assert f"{found.en} | {found.zh}" == f"{error.sentence()} | {error.sentence('zh')}"
    assert failed_task("feed_f", "r", "carry", 1, "").code == ""
