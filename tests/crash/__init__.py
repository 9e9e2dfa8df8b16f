"""Kills processes of the hub, PostgreSQL and the broker, and proves from outside that nothing is lost or doubled."""
