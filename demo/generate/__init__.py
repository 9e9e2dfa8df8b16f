"""Deterministic records that follow the real field lists. Same seed and size, same bytes; every planted defect is in a ledger."""
