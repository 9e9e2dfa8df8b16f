#!/usr/bin/env bash
# Run once, by the image's own entrypoint, on an empty cluster: a role and a database for the hub and for Airflow, each
# the owner of its own and of nothing else. psql reads the passwords itself: they are on no command line and in no log.
set -euo pipefail
for role in hub airflow; do
  export HUB_INIT_FILE="${HUB_INIT_SECRETS:-/run/secrets}/postgres-$role"
  [ -s "$HUB_INIT_FILE" ] || { echo "no password in $HUB_INIT_FILE" >&2; exit 1; }
  psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --set role="$role" --username "$POSTGRES_USER" --dbname postgres <<'SQL'
\set password `cat "$HUB_INIT_FILE"`
set password_encryption = 'scram-sha-256';
create role :"role" login nosuperuser nocreatedb nocreaterole noreplication nobypassrls password :'password';
create database :"role" owner :"role";
revoke all on database :"role" from public;
SQL
done
