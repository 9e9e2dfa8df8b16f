"""The local stack: PostgreSQL, Kafka, Airflow and the relay, all real, under one supervisor, in one run directory."""

from hub.stack.client import admin_conninfo, down, kill, start_part, status, up
from hub.stack.environment import publish
from hub.stack.errors import PartFailed, StackDown
from hub.stack.state import PartState, StackState

__all__ = [
    "PartFailed",
    "PartState",
    "StackDown",
    "StackState",
    "admin_conninfo",
    "down",
    "kill",
    "publish",
    "start_part",
    "status",
    "up",
]
