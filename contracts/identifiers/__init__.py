"""Identifiers of organisations and persons: how they are built, checked and, for persons, detected to be masked."""
