"""A record that should not have been let in, taken out of every store; the trace that it was stays. See docs/decisions/0015-running.md."""
