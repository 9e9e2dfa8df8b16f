"""How records come in: one module for each kind of source, found on disk."""
