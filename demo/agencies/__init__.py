"""Four small agency systems on loopback, each a real server: a PostgreSQL schema, an HTTP API, a drop folder, SDMX files."""
