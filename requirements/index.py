"""Says to uv what pip is configured to do: which index, which further ones, folders, certificates, proxy.

Prints `export UV_…='…'` lines for `eval`. uv reads none of pip's configuration, and where packages come from is the
machine's business: no file of the repository names an index. What is set for uv itself stays. Run by the interpreter
whose pip is asked: `eval "$(.venv/bin/python requirements/index.py)"`.
"""

import ast
import os
import shlex
import subprocess
import sys
from collections.abc import Mapping

SECTIONS = ("global", "install", ":env:")
"""Of pip's configuration, the least first: a later one wins, as it does in pip."""


def pip_says(listing: str) -> dict[str, str]:
    """The options of `pip config list` that hold for an installation."""
    found: dict[tuple[int, str], str] = {}
    for line in listing.splitlines():
        name, is_option, value = line.partition("=")
        section, _, option = name.rpartition(".")
        if is_option and section in SECTIONS:
            found[SECTIONS.index(section), option] = str(ast.literal_eval(value))
    return {option: found[key] for key in sorted(found) for option in [key[1]]}


def for_uv(said: Mapping[str, str], environment: Mapping[str, str]) -> dict[str, str]:
    """The variables to set, those left out that somebody has set for uv."""
    several = {option: said.get(option, "").split() for option in ("extra-index-url", "find-links", "trusted-host")}
    wanted = {
        "UV_SYSTEM_CERTS": "true",  # a proxy's own authority stands in the system's store, not among Mozilla's
        "UV_DEFAULT_INDEX": said.get("index-url", ""),
        "UV_INDEX": " ".join(several["extra-index-url"]),
        # Every package is held against its hash, so it may come from whichever index has it, as with pip.
        "UV_INDEX_STRATEGY": "unsafe-best-match" if several["extra-index-url"] else "",
        "UV_FIND_LINKS": ",".join(several["find-links"]),
        "UV_INSECURE_HOST": " ".join(several["trusted-host"]),
        # uv has no variable for this one: whoever calls it adds these words.
        "UV_WORDS": "--no-index" if said.get("no-index", "").lower() in ("1", "true", "yes", "on") else "",
        "SSL_CERT_FILE": said.get("cert", ""),
        "ALL_PROXY": said.get("proxy", ""),
        "UV_HTTP_TIMEOUT": said.get("timeout", said.get("default-timeout", "")),
    }
    return {name: value for name, value in wanted.items() if value and not environment.get(name)}


def main() -> None:
    """Asks this interpreter's pip; where it can't say, only the certificates are set."""
    asked = [sys.executable, "-m", "pip", "--disable-pip-version-check", "config", "list"]
    done = subprocess.run(asked, capture_output=True, text=True, check=False)
    for name, value in for_uv(pip_says(done.stdout), os.environ).items():
        sys.stdout.write(f"export {name}={shlex.quote(value)}\n")


if __name__ == "__main__":
    main()
