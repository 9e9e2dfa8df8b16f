"""Commands beside the wiring of Airflow."""
