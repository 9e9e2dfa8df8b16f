#!/usr/bin/env bash
# Builds the outside judges of contracts (datacontract-cli), lineage events (openlineage-python) and the door (schemathesis) in a venv of their own, every package by its hash.
# Usage: bash requirements/judge.sh .venv-judge [.venv]   (the second is the project's environment, which has uv)
set -euo pipefail
venv=${1:-.venv-judge}
uv=${2:-.venv}/bin/uv
python=${2:-.venv}/bin/python
die() { printf '\033[31m[judge] %s\033[0m\n' "$1" >&2; printf '        remedy: %s\n' "$2" >&2; exit 1; }

[ -x "$uv" ] || die "$uv is not there" "run make setup first"
stamp=$venv/.ready
if [ -f "$stamp" ] && [ "$stamp" -nt requirements/judge.txt ] && [ -x "$venv/bin/datacontract" ] && [ -x "$venv/bin/schemathesis" ]; then exit 0; fi
printf '\033[36m[judge]\033[0m datacontract-cli, schemathesis in %s\n' "$venv"
rm -f "$stamp"
[ -x "$venv/bin/python" ] || "$uv" venv --quiet --python "$python" "$venv" \
  || die "the environment $venv could not be made" "remove $venv and run it again"
eval "$("$python" requirements/index.py)"
UV_LINK_MODE=${UV_LINK_MODE:-copy} "$uv" pip install --quiet ${UV_WORDS:-} --python "$venv/bin/python" --require-hashes -r requirements/judge.txt \
  || die "uv could not install the judge" "check that the package index can be reached; a hash mismatch means that a package was replaced"
touch "$stamp"
