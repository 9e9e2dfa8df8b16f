"""One word for one thing: the words that docs/glossary.md sets aside stand in no file."""

import re

from hub.settings import ROOT
from tests.every.test_house import tracked

PAGE = "docs/glossary.md"
OTHERS = (PAGE, "contracts/codes/", "contracts/feeds/", "tests/", "demo/generate/", "benchmarks/", "LICENSE")
"""The page itself; what comes from agencies or imitates them: their words are theirs."""
ENDINGS = (".py", ".md", ".toml", ".yaml", ".yml", ".sh", ".html", ".in", ".lua", "Makefile")


def rows() -> list[list[str]]:
    lines = (ROOT / PAGE).read_text(encoding="utf-8").splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| ")][1:]


def test_each_thing_has_a_word_and_a_sentence_in_each_language() -> None:
    table = rows()
    assert len(table) > 30
    for english, chinese, meaning, _ in table:
        assert re.search("[a-z]", english) and re.search("[\u4e00-\u9fff]", chinese)
        assert re.search(r"[a-z)]\. |[a-z], ", meaning) and meaning.endswith("。"), meaning
    words = [word for row in table for word in re.split("[、,] ?", row[1])]
    assert len(words) == len(set(words)), "one word for two things"


def test_the_words_that_were_set_aside_stand_in_no_file() -> None:
    instead = {word: row[1] for row in rows() for word in row[3].split("、") if word}
    pattern = re.compile("|".join(sorted(instead, key=len, reverse=True)))
    found = []
    for name in tracked():
        if not name.startswith(OTHERS) and name.endswith(ENDINGS):
            for number, line in enumerate((ROOT / name).read_text(encoding="utf-8").splitlines(), 1):
                found += [f"{name}:{number}: {word[0]} → {instead[word[0]]}" for word in pattern.finditer(line)]
    assert found == []


def test_contributing_leads_to_the_words() -> None:
    assert "docs/glossary.md" in (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
