"""Databases: opening them so that nothing can be written, and their values as text."""
