"""What a changed contract would do, before it does it: to the rows that came, to the tables, to the topic."""
