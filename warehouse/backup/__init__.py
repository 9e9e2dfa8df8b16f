"""A backup of what the hub alone holds: its database, its store, its key; taken beside running feeds, checked when restored."""
