"""uv is told what pip is configured to do, whatever way that was said, and nothing that somebody told uv is changed."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

from hub.settings import ROOT


def told(tmp_path: Path, config: str = "", **environment: str) -> dict[str, str]:
    """What the script exports under this configuration file of pip and these variables."""
    file = tmp_path / "pip.conf"
    file.write_text(config, encoding="utf-8")
    theirs = ("PIP_", "UV_", "SSL_CERT", "ALL_PROXY")
    clean = {name: value for name, value in os.environ.items() if not name.startswith(theirs)}
    done = subprocess.run(
        [sys.executable, str(ROOT / "requirements" / "index.py")],
        env={**clean, "PIP_CONFIG_FILE": str(file), **environment},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    lines = [shlex.split(line) for line in done.stdout.splitlines()]
    assert all(words[0] == "export" and len(words) == 2 for words in lines), done.stdout
    return dict(words[1].split("=", 1) for words in lines)


CONFIG = """
[global]
index-url: http://one.invalid/simple
cert = /srv/ca.pem
[install]
find-links = /srv/a b
    /srv/wheels
"""


def test_the_systems_certificates_are_always_used(tmp_path: Path) -> None:
    assert told(tmp_path)["UV_SYSTEM_CERTS"] == "true"


def test_the_configuration_file_is_passed_on_and_variables_win_over_it(tmp_path: Path) -> None:
    found = told(tmp_path, CONFIG)
    assert found["UV_DEFAULT_INDEX"] == "http://one.invalid/simple"
    assert found["SSL_CERT_FILE"] == "/srv/ca.pem"
    assert found["UV_FIND_LINKS"] == "/srv/a,b,/srv/wheels"
    url = "http://user:it's%20secret@two.invalid/simple"
    assert told(tmp_path, CONFIG, PIP_INDEX_URL=url)["UV_DEFAULT_INDEX"] == url


def test_further_indexes_and_none_at_all(tmp_path: Path) -> None:
    more = told(tmp_path, PIP_EXTRA_INDEX_URL="http://a.invalid/s http://b.invalid/s")
    assert more["UV_INDEX"] == "http://a.invalid/s http://b.invalid/s"
    assert more["UV_INDEX_STRATEGY"] == "unsafe-best-match"
    assert told(tmp_path, PIP_NO_INDEX="1")["UV_WORDS"] == "--no-index"


def test_what_is_set_for_uv_stays(tmp_path: Path) -> None:
    found = told(tmp_path, CONFIG, UV_DEFAULT_INDEX="http://mine.invalid", SSL_CERT_FILE="/mine.pem")
    assert "UV_DEFAULT_INDEX" not in found and "SSL_CERT_FILE" not in found


def test_setup_and_judge_ask_before_uv_fetches() -> None:
    for name in ("setup.sh", "judge.sh"):
        text = (ROOT / "requirements" / name).read_text(encoding="utf-8")
        assert text.index("requirements/index.py") < text.index(
            "--require-hashes -r requirements/", text.index("UV_LINK")
        )
        assert text.count("${UV_WORDS:-}") == 1
