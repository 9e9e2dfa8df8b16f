"""Commands on contracts."""
