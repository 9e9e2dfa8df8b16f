#!/usr/bin/env bash
# Builds the environment: a venv, uv inside it, every package by its hash, then the project itself, editable.
# Usage: bash requirements/setup.sh .venv
set -euo pipefail
venv=$1
say() { printf '\033[36m[setup]\033[0m %s\n' "$*"; }
die() { printf '\033[31m[setup] %s\033[0m\n' "$1" >&2; printf '        remedy: %s\n' "$2" >&2; exit 1; }

python=""
for candidate in "${HUB_PYTHON:-}" python3.13 python3.12 python3.11 python3; do
  [ -n "$candidate" ] && command -v "$candidate" >/dev/null 2>&1 || continue
  "$candidate" -c 'import sys; sys.exit(not ((3, 11) <= sys.version_info[:2] <= (3, 13)))' 2>/dev/null || continue
  python=$candidate; break
done
[ -n "$python" ] || die "no Python 3.11 to 3.13 was found" "install one, or name it: make setup HUB_PYTHON=/path/to/python3"

if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
  # Debian splits venv from Python; it is the one Debian package that can be unavoidable here.
  package="$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')"
  [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || die "$python has no venv module" "install the Debian package $package (apt-get install $package)"
  say "installing the Debian package $package"
  { apt-get update && apt-get install -y --no-install-recommends "$package"; } >/dev/null 2>&1 \
    || die "apt-get could not install $package" "install it by hand, then run make again"
fi

say "environment in $venv with $("$python" --version)"
[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt \
  || die "pip could not install uv" "check that the package index configured for pip can be reached, then run make again"
# Without this uv would take its own index and its own authorities, whatever pip is told to use here.
eval "$("$venv/bin/python" requirements/index.py)"
say "packages, each by its hash ($(grep -c '==' requirements/hub.txt) pinned)"
UV_LINK_MODE=${UV_LINK_MODE:-copy} "$venv/bin/uv" pip install --quiet ${UV_WORDS:-} --python "$venv/bin/python" --require-hashes -r requirements/hub.txt \
  || die "uv could not install the packages" "check that the package index can be reached; a hash mismatch means that a package was replaced: tell the maintainers"
"$venv/bin/uv" pip install --quiet --python "$venv/bin/python" --no-deps --no-build-isolation --editable . \
  || die "the project could not be installed" "read the lines above; pyproject.toml and requirements/hook.py describe the build"
say "ready: $venv/bin/hub --help"
