"""Audit, finance, statistics and inspection data shared under contract: the kernel every package stands on."""

__version__ = "0.1.0"
