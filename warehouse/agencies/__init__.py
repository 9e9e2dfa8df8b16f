"""Agencies: who they are, their keys and certificates, what each may push and read."""
