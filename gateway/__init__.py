"""The door: partner agencies push their feeds over HTTP and learn what became of every row (docs/decisions/0022-the-door.md)."""
