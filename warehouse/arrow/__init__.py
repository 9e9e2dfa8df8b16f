"""Columns at the database's door: as text, by COPY, and the memory they leave behind."""
