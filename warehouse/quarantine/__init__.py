"""Rows that broke a rule: shown, exported, corrected, and sent the way again."""
