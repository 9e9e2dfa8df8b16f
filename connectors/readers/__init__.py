"""Readers: bytes of one form (CSV, XLSX) into pages of text columns."""
