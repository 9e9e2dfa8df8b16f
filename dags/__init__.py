"""Airflow's wiring: it rings, the warehouse carries. See docs/decisions/0007-airflow.md."""
