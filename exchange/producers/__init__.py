"""Kafka producers: one seam, two implementations that pass the same tests."""
