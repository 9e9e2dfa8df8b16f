"""The local stack: PostgreSQL, Kafka, Airflow and the relay, all real, under one supervisor, in one run directory."""

from hub.stack.client import admin_conninfo, down, kill, start_part, status, up
from hub.stack.state import PartState, StackState

__all__ = ["PartState", "StackState", "admin_conninfo", "down", "kill", "start_part", "status", "up"]
