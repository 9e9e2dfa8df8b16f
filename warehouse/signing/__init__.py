"""The hub's own keys, and what they sign: receipts and tokens."""
