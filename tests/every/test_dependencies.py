"""Every dependency has its reason, and no file names a package index."""

import re
import subprocess

from hub.settings import ROOT


def direct() -> set[str]:
    lines = (ROOT / "requirements" / "hub.in").read_text().splitlines()
    return {re.split(r"[\[=<>~ ]", line)[0] for line in lines if line.strip() and not line.startswith("#")}


def test_every_dependency_has_a_reason() -> None:
    text = (ROOT / "docs" / "decisions" / "0002-dependencies.md").read_text()
    explained = set(re.findall(r"^\| ([\w.-]+) \| .{6,} \|$", text, re.MULTILINE)) - {"package"}
    assert direct() == explained


def test_every_pin_is_hashed() -> None:
    for name in ("hub", "uv", "judge"):
        text = (ROOT / "requirements" / f"{name}.txt").read_text()
        pins = re.findall(r"^[a-zA-Z0-9._-]+(?:\[[a-z,]+\])?==.*?(?=^[a-zA-Z0-9]|\Z)", text, re.MULTILINE | re.DOTALL)
        assert pins
        assert [pin.split("\n")[0] for pin in pins if "--hash=sha256:" not in pin] == []


def test_no_tracked_file_names_an_index() -> None:
    # Assembled here so that this file does not name one itself.
    names = [
        "py" + "pi.org",
        "pythonhosted" + ".org",
        "repo1.maven" + ".org",
        "repo.maven" + ".apache",
        "npmjs" + ".org",
        "index" + "-url =",
    ]
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split(
        "\n"
    )
    found = []
    for path in filter(None, tracked):
        text = (ROOT / path).read_bytes()
        found += [f"{path}: {name}" for name in names if name.encode() in text]
    assert found == []
