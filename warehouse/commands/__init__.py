"""Commands on batches and the quarantine."""
