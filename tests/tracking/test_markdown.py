"""Markdown of names that mean harm, read by a strict reader of our own."""

import re
import shlex

import pytest

from forecast.report import markdown

HARM = [
    "a|b<img src=x onerror=alert(1)>",
    "[c](javascript:d) ![i](//host/x.png)",
    "**b** _em_ ~~s~~ `c` # h",
    "@mention :smile: www.e.com http://e.com a@b.com",
    "&lt; &#60; \\* \\|",
    "two\nlines\r| and a bell\a",
    "a<b",
]


@pytest.mark.parametrize("text", HARM)
def test_a_name_is_no_markup(text):
    shown = markdown.plain(text)
    # what is left beside numbered characters begins nothing in any Markdown
    bare = re.sub(r"&#\d+;", "", shown)
    assert not re.search(r"[\\`*{}\[\]<>&|~#@\n\r\a]|:(?!\s|$)|\b_|_\b|www\.", bare)
    told = re.sub(r"&#(\d+);", lambda found: chr(int(found[1])), shown)
    assert told == re.sub("[\a]", "�", " ".join(text.split()))


def test_words_with_underscores_and_numbers_stay_as_they_are():
    assert markdown.plain("seasonal_naive 2.31 °F, 72→24") == "seasonal_naive 2.31 °F, 72→24"


def test_secrets_of_addresses_are_left_out():
    assert "word" not in markdown.plain("http://me:word@host/load.csv?token=word")


def test_a_long_name_is_cut():
    assert len(markdown.name("x" * 300)) == 60


@pytest.mark.parametrize(
    "words",
    [
        ["forecast", "train", "data.targets=[temp, dewp]", *(f"key{n}=value" for n in range(40))],
        ["forecast", "train", "data.path=a\n```\n<img src=x>", "x=`````"],
    ],
)
def test_a_command_can_be_pasted_and_cannot_leave_its_block(words):
    shown = markdown.command(shlex.join(words))
    said, block = shown.split("\n\n", 1)
    fence, *lines = block.splitlines()
    assert re.fullmatch("`{3,}bash", fence) and lines[-1] == fence.removesuffix("bash")
    assert lines[-1] not in "\n".join(lines[:-1])
    assert shlex.split("\n".join(lines[:-1]).replace(" \\\n", " ")) == words
    assert max(map(len, lines)) < 80


def test_a_very_long_command_is_left_to_its_artifact():
    assert "config.yaml" in markdown.command("forecast train " + "x" * 4_000)


def test_a_table_that_is_too_long_is_cut_by_rows():
    rows = [[f"{n}. units=[{n}]", "1 ± 2", "3%"] for n in range(300)]
    text = markdown.fitted(["lead"], ["", "MAE", "skill"], rows, ["after"], 2_000)
    assert len(text) <= 2_000
    lead, table, more, after = text.split("\n\n")
    lines = table.splitlines()
    assert (lead, after) == ("lead", "after") and lines[-1].endswith("3% |")
    kept = len(lines) - 2
    assert more == f"{300 - kept} more rows are not shown." and kept > 20
    assert {len(re.findall(r"\|", line)) for line in lines} == {4}
