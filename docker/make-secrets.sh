#!/bin/sh
# Makes the secrets of compose.yaml, once: sh docker/make-secrets.sh [FOLDER]. What is there already stays as it is.
# As root the files are given to the users of the containers (10001 of the hub's image, 999 of PostgreSQL's).
set -eu
umask 077
folder=${1:-$(dirname "$0")/secrets}
mkdir -p "$folder"
chmod 0711 "$folder"

word() { od -An -vtx1 -N24 /dev/urandom | tr -d ' \n'; }
long() { od -An -vtx1 -N64 /dev/urandom | tr -d ' \n'; }
fernet() { head -c 32 /dev/urandom | base64 | tr '+/' '-_' | tr -d '\n'; }
make() {
  file=$folder/$1
  if [ ! -s "$file" ]; then
    shift
    "$@" > "$file.new"
    [ -s "$file.new" ] && mv "$file.new" "$file"
  fi
}
url() { printf 'postgresql+%s://%s:%s@postgres:5432/%s' "$1" "$2" "$(cat "$folder/postgres-$2")" "$2"; }

for name in postgres-stack postgres-hub postgres-airflow kafka-hub airflow-admin airflow-notes; do make "$name" word; done
for name in airflow-session airflow-jwt; do make "$name" long; done
make airflow-fernet fernet
make hub-database-url url psycopg hub
make airflow-database-url url psycopg2 airflow

chmod 0400 "$folder"/*
if [ "$(id -u)" = 0 ]; then
  chown 10001:10001 "$folder"/*
  chown 999:999 "$folder/postgres-stack" "$folder/postgres-hub" "$folder/postgres-airflow"
fi
echo "secrets are in $folder"
