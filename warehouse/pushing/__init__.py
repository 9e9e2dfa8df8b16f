"""Deliveries that agencies push: landing without the feed's lock, idempotency, what became of their rows."""
