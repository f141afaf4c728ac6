"""The table of a forecast: dates of each series, whole numbers, whatever their size."""

import io
import re

import numpy as np
import pandas as pd
import pytest

from forecast.cli import forecast_table
from forecast.cli.console import console


@pytest.fixture
def printed(monkeypatch):
    """What is printed at a width."""

    def show(found: pd.DataFrame, width: int = 80) -> str:
        monkeypatch.setattr(console, "file", io.StringIO())
        monkeypatch.setattr(console, "_width", width)
        forecast_table.show(found)
        return console.file.getvalue()

    return show


def forecasts(ends: dict[str, str], steps: int = 7, zone: str | None = None) -> pd.DataFrame:
    """Daily forecasts of series that end on some days."""
    parts = []
    for number, (series, end) in enumerate(ends.items()):
        origin = pd.Timestamp(end, tz=zone)
        value = 10.0 * number + np.arange(1.0, steps + 1)
        parts.append(
            pd.DataFrame(
                {
                    "series": series,
                    "origin": origin,
                    "time": origin + pd.to_timedelta(np.arange(1, steps + 1), "D"),
                    "step": np.arange(1, steps + 1),
                    "target": "sales",
                    "forecast": value,
                    "lower": value - 0.5,
                    "upper": value + 0.5,
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def test_series_that_end_together_share_their_dates(printed):
    said = printed(forecasts({"open": "2024-02-04", "shut": "2024-02-04"}))
    assert re.search(r"^Forecast from 2024-02-04 00:00 *$", said, re.MULTILINE)
    assert said.count("05 Feb") == said.count("11 Feb") == 1


def test_series_that_end_apart_have_their_own_dates(printed):
    said = printed(forecasts({"shut": "2024-02-04", "open": "2024-05-14"}))
    shut, _, rest = said.partition("open sales")
    assert "05 Feb" in shut and "11 Feb" in shut and "May" not in shut
    assert "15 May" in rest and "21 May" in rest and "Feb" not in rest
    assert "from 2024-02-04 00:00" in said and "from 2024-05-14 00:00" in said


def test_series_that_have_no_line_are_counted(printed):
    said = printed(forecasts({f"shop {n}": "2024-02-04" for n in range(31)}))
    assert said.count("shop ") == 12 and "and 19 more lines in the file" in said
    assert "more" not in printed(forecasts({f"shop {n}": "2024-02-04" for n in range(12)}))


def test_no_interval_is_nothing(printed):
    found = forecasts({"open": "2024-02-04", "shut": "2024-02-04"})
    found.loc[found.series == "shut", ["lower", "upper"]] = np.nan
    said = printed(found)
    assert "nan" not in said and said.count("…") == 5  # five steps of the one series
    assert "nan" not in printed(found.drop(columns=["lower", "upper"]))


@pytest.mark.parametrize("ends", [("2024-02-04", "2024-02-04"), ("2024-02-04", "2025-05-14")])
@pytest.mark.parametrize("scale", [1e-7, 0.01, 1.0, 123.4, 1e7])
@pytest.mark.parametrize("name", ["a", "a shop with a name that is longer than a line of " * 2])
@pytest.mark.parametrize("width", [60, 80, 120])
def test_no_number_is_broken(printed, ends, scale, name, width):
    found = forecasts({name: ends[0], "湿度": ends[1]})
    found[["forecast", "lower", "upper"]] *= -scale * 1.2345
    said = printed(found, width)
    assert max(map(len, said.splitlines())) <= width
    numbers = {f"{value:.4g}" for value in found[["forecast", "lower", "upper"]].to_numpy().ravel()}
    shown = re.findall(r"-?\d+(?:\.\d+)?(?:e[+-]\d+)?", said.replace("…", " "))
    last = found[found.step == 7]
    for value in last[["forecast", "lower", "upper"]].to_numpy().ravel():
        assert f"{value:.4g}" in shown
    assert {text for text in shown if text.startswith("-") and "." in text} <= numbers


def test_utc_is_said_where_stamps_state_a_zone(printed):
    assert "from 2024-02-04 00:00 UTC" in printed(forecasts({"a": "2024-02-04"}, zone="UTC"))
    apart = {"a": "2024-02-04", "b": "2024-02-05"}
    assert "last row of each series, in UTC" in printed(forecasts(apart, zone="UTC"))
    assert "UTC" not in printed(forecasts(apart))
