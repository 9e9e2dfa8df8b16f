"""The base of the hub's tasks: runs the hub's own function and turns its error into Airflow's.

Operators of our own, not `@task`: their arguments are never Jinja templates (contracts are untrusted), and a
starting task imports no provider. Heavy modules are imported inside `work`, never at parse.
"""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import Iterable
from contextlib import suppress
from typing import Any
from urllib.parse import unquote, urlsplit

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowTaskTimeout

from dags.errors import TaskTooLong
from hub import emitting, failure
from hub.errors import HubException, TransientError
from hub.ids import PlaceId

_LOG = logging.getLogger("hub.task")


class HubTask(BaseOperator):
    """A task whose `work` may raise a HubException. Only a TransientError is retried; XCom gets what `work` returns."""

    template_fields = ()
    ui_color = "#eef4fb"

    @abstractmethod
    def work(self, context: Any) -> dict[str, Any]:
        """Does it; returns ids and counts only."""

    def ended(self, context: Any, error: HubException | None) -> None:
        """After the work, however it ended: for what must not change how it ended. Never raises."""

    def execute(self, context: Any) -> dict[str, Any]:
        """What Airflow calls. Raises AirflowException (tried again) or AirflowFailException (not)."""
        mask_secrets()
        known: HubException | None = None
        try:
            return self.work(context)
        except AirflowTaskTimeout:
            known = TaskTooLong(task=self.task_id)
            raise
        except Exception as error:  # noqa: BLE001 - a bug must be told without its text, which may quote data
            known = failure.told(error)
            if known is not error:
                _LOG.error("frames of the unforeseen error:\n%s", failure.story(error))
        finally:
            self.ended(context, known)
            # A task's process ends without ceremony: what observers are to be told leaves now, or not at all.
            emitting.flush()
        # Raised outside the handler, so that no chained traceback carries another exception's text into the log.
        _LOG.error("%s", told(known))
        if isinstance(known, TransientError):
            raise AirflowException(told(known))
        raise AirflowFailException(told(known))


def told(error: HubException) -> str:
    """The error in one line: code, side, sentence and remedy, in both languages."""
    return (
        f"{error.code} [{error.side}] {error.sentence()} | {error.sentence('zh')}"
        f" | remedy: {error.remedy()} | 处理:{error.remedy('zh')}"
    )


def mask_secrets() -> None:
    """Tells Airflow's masker every secret of our settings, so that no log of the task can show one."""
    from airflow.sdk.log import mask_secret
    from pydantic import SecretStr

    from hub.settings import settings

    for name, value in settings():
        if isinstance(value, SecretStr):
            secret = value.get_secret_value()
            mask_secret(secret, name)
            if name.endswith("_url") and (password := urlsplit(secret).password):
                mask_secret(unquote(password), name)


def mask_places(ids: Iterable[str]) -> None:
    """Tells Airflow's masker the secrets of these places. One that can't be read is reported when it is used."""
    from airflow.sdk.log import mask_secret

    from connectors.places import listed_places

    places = listed_places()
    for place in (places[name] for name in map(PlaceId, ids) if name in places):
        for read in (place.password, place.token, place.client_secret):
            with suppress(HubException):
                if secret := read():
                    mask_secret(secret.get_secret_value(), "password")
