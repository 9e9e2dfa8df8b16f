"""SDMX: structure messages (SDMX-ML 2.1) and data messages in SDMX-CSV 1.0 and 2.0."""
