"""Quiet and verbose."""

import logging

import pytest

from forecast.cli import level
from forecast.cli.console import console, say
from forecast.cli.main import main
from forecast.errors import InputError

from ..conftest import LSTM, TINY, Place


@pytest.mark.parametrize(("name", "lines"), [("", 4), ("quiet", 2), ("verbose", 4)])
def test_quiet_leaves_out_what_is_under_way_and_keeps_ids_and_warnings(name: str, lines: int):
    with console.capture() as said, level.at(name):
        for stage in ("train", "fold 1/3", "warning", "run"):
            say(stage, "words")
    assert len(said.get().splitlines()) == lines
    assert "warning    words\nrun        words\n" in said.get()


def test_quiet_is_taken_wherever_it_stands_and_lasts_for_one_command(place: Place):
    assert place.run("check", *TINY, "--quiet") == 0
    assert "\ndata " not in f"\n{place.printed[-1]}" and "Series" in place.printed[-1]
    assert place.run("check", *TINY) == 0
    assert place.printed[-1].startswith("data ")


def test_verbose_tells_where_a_refusal_comes_from_without_secrets(
    place: Place, capsys: pytest.CaptureFixture[str]
):
    wrong = [*TINY, *LSTM, "data.path=none.csv"]
    assert place.run("check", "-v", *wrong) == 2
    told = place.errors[-1].splitlines()
    assert told[0].startswith("Traceback") and told[-1].startswith("forecast: data.path must be")
    assert place.run("check", *wrong) == 2 and place.errors[-1].count("\n") == 1
    address = "http://me:" + "hidden" + "@host/x.csv"
    with pytest.raises(InputError), level.at("verbose"):
        assert logging.getLogger("forecast.tracking").isEnabledFor(logging.DEBUG)
        raise InputError(f"data.path must be a file, got {address}: fix it")
    told = capsys.readouterr().err
    assert "Traceback" in told and "host/x.csv" in told and "me:hidden" not in told
    assert not logging.getLogger("forecast.tracking").isEnabledFor(logging.DEBUG)


def test_both_at_once_are_refused(capsys: pytest.CaptureFixture[str]):
    assert main(["train", "-v", "--quiet"]) == 2
    assert "one of -q and -v, got -v --quiet" in capsys.readouterr().err
