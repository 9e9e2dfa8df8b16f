"""Turns: feeds that come so often, or so suddenly, that a task of Airflow each time would cost more than they do."""
