"""The operator's desk: how feeds stand, changes planned and applied, deliveries and records told, dead letters, takedowns."""
