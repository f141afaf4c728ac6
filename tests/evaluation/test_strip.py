"""The strip at the head of a report: every number in it from the forecasts themselves."""

import html
import json
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from forecast.data.windows import Window
from forecast.evaluation.intervals.calibration import Inner
from forecast.report.sections import codes, still, strip

from .tables import panel
from .test_report import interval, outcome

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def decoded(text):
    """Read numbers back, as the page's script does."""
    values, last = [], 0
    for sign, token in re.findall(r"([.~]?)([g-z0-9_-]*[A-Za-f])", text):
        number = sum(LETTERS.index(letter) % 32 * 32**n for n, letter in enumerate(token))
        if sign == ".":
            values += [np.nan] * number
        elif sign == "~":
            values += [last] * number
        else:
            last += -(number + 1) // 2 if number % 2 else number // 2
            values.append(last)
    return np.array(values, float)


@pytest.mark.parametrize("seed", range(5))
def test_codes_are_read_back(seed):
    rng = np.random.default_rng(seed)
    values = np.round(rng.normal(0, 10.0 ** rng.integers(0, 8), 300))
    values[rng.random(300) < 0.2] = np.nan
    values[50:90], values[100:120], values[200:230] = 7, np.nan, values[199]
    np.testing.assert_array_equal(decoded(codes.encode(values)), values)
    assert codes.encode(np.array([])) == ""


@pytest.mark.parametrize(
    ("values", "most"),
    [
        ([0.0, 1.0], 2e-4),
        ([1e9, 1e9 + 1], 2e-4),
        ([5.0, 5.0], 5),
        ([0.0, 0.0], 1),
        ([1e-9, 2e-9], 1),
    ],
)
def test_a_step_is_round_and_fine_enough(values, most):
    low, step = codes.unit(np.array(values), 4000)
    assert low <= min(values) * (1 + 1e-12) and 0 < step <= most
    assert round(step / 10 ** np.floor(np.log10(step) + 1e-9), 6) in (1, 2, 5)


def around(found, level=0.9):
    """Intervals of a few kinds, with a band inside them."""
    rng = np.random.default_rng(1)
    values = found.test.values
    reach = rng.uniform(1, 2, (4, *values.shape))
    made = interval(level, "adaptive", values - reach[0] - 1, values + reach[1] + 1)
    inner = Inner(0.5, values - reach[2] / 3, values + reach[3] / 3)
    return replace(found, intervals=replace(made, inner=inner))


def read(found, **more):
    """Return what the page holds: all of it, and picks by name."""
    text = strip.section(found, **more)
    about = json.loads(html.unescape(re.search(r'data-strip="([^"]*)"', text)[1]))
    return text, about, {pick["name"]: pick for pick in about["picks"]}


def moments(pick):
    """Return milliseconds, or numbers, of every place."""
    return pick["start"] + np.r_[0, np.cumsum(decoded(pick["time"]))] * pick["apart"]


def lines(pick, channels):
    """Return forecast and ends of bands, in units of the target."""
    units = [decoded(channel) for channel in channels]
    found = [units[0]]
    for down, more in zip(units[1::2], units[2::2], strict=True):
        found += [units[0] - down, units[0] + down + more]
    return [pick["low"] + line * pick["step"] for line in found]


def test_every_lead_lies_where_its_forecasts_were_made_for():
    found = around(outcome(panel((150, 150), targets=1, absent={(0, 120), (0, 121)})))
    _, about, picks = read(found)
    assert about["leads"] == [1, 2, 4] and list(picks) == ["s0", "s1"]
    assert about["bands"] == ["90 % interval", "50 % interval"]
    frame = found.test.frame(found.intervals)
    frame["low"], frame["high"] = (
        end.ravel() for end in (found.intervals.inner.lower, found.intervals.inner.upper)
    )
    truth = pd.Series(found.table.outputs[:, 0], [found.table.series, found.table.time])
    for code, (name, pick) in enumerate(picks.items()):
        time, true = pd.to_datetime(moments(pick), unit="ms"), decoded(pick["true"])
        near = {"abs": pick["step"] * 2}
        known = np.isfinite(true)
        own = frame[frame.series == name]
        assert set(own.time) <= set(time[known])  # behind a gap rows are only looked at
        assert (time[0], time[-1]) == (own.time.min(), own.time.max())
        assert pick["low"] + true[known] * pick["step"] == pytest.approx(
            truth.loc[code].loc[time[known]].to_numpy(), **near
        )
        assert (~known).sum() == (name == "s0")  # a place without values between rows apart
        for lead, channels in zip(about["leads"], pick["leads"], strict=True):
            expected = own[own.step == lead].set_index("time").sort_index()
            drawn = pd.DataFrame(dict(enumerate(lines(pick, channels))), time)
            drawn = drawn[np.isfinite(drawn[0])]
            assert list(drawn.index) == list(expected.index)
            for place, column in enumerate(["forecast", "lower", "upper", "low", "high"]):
                assert drawn[place].to_numpy() == pytest.approx(expected[column].to_numpy(), **near)


def test_origins_are_a_season_apart_and_show_the_whole_horizon():
    found = around(outcome(panel((240,), targets=1), Window(12, 6)))
    _, _, picks = read(found)
    [pick] = picks.values()
    frame, time = found.test.frame(), moments(pick)
    stamps = pd.to_datetime(pick["stamps"])
    assert (np.diff(stamps) == pd.Timedelta("24h")).all() and stamps[-1] == frame.origin.max()
    assert stamps[0] - frame.origin.min() < pd.Timedelta("24h")
    pieces = lines(pick, pick["ahead"])[0].reshape(len(stamps), 6)
    for stamp, first, piece in zip(stamps, pick["origins"], pieces, strict=True):
        own = frame[frame.origin == stamp].sort_values("step")
        assert piece == pytest.approx(own.forecast.to_numpy(), abs=2 * pick["step"])
        assert list(pd.to_datetime(time[first : first + 6], unit="ms")) == list(own.time)


def test_of_many_series_and_targets_three_are_shown_and_said():
    found = outcome(panel((150,) * 9, targets=5))
    text, about, picks = read(found)
    errors = found.test.frame().assign(wrong=lambda f: (f.forecast - f.true).abs())
    order = errors.groupby("series").wrong.mean().sort_values(ascending=False).index
    words = {order[0]: "worst", order[4]: "median", order[8]: "best"}
    assert {name.partition(":")[0] for name in picks} == set(words)
    assert len(picks) == 9 and all(
        name.endswith(f"({words[name.partition(':')[0]]} series)") for name in picks
    )
    assert "Of 9 series: the worst, the median and the best by error." in text
    assert "Of 5 targets: those with the largest, the median and the smallest error" in text
    assert about["picks"][about["pick"]]["name"].startswith(order[4])


@pytest.mark.slow
def test_a_long_span_is_thinned_and_said():
    table = panel((30_000,) * 3, targets=1)
    found = around(outcome(table, Window(12, 24)))
    text, about, picks = read(found)
    [thin] = {pick["thin"] for pick in picks.values()}
    assert thin > 1 and f"one of {thin} rows is drawn" in text
    assert len(text) < 300_000
    frame = found.test.frame()
    for name, pick in picks.items():
        time = pd.to_datetime(moments(pick), unit="ms")
        own = frame[(frame.series == name) & (frame.step == 24)].set_index("time").forecast
        drawn = pd.Series(lines(pick, pick["leads"][-1])[0], time[::thin]).dropna()
        assert drawn.to_numpy() == pytest.approx(own[drawn.index].to_numpy(), abs=2 * pick["step"])
        assert len(drawn) == pytest.approx(len(own) / thin, abs=1)


def test_short_spans_are_whole():
    text, about, _ = read(outcome())
    assert "rows is drawn" not in text and {pick["thin"] for pick in about["picks"]} == {1}


@pytest.mark.parametrize("begin", ["1850-01-01", "1969-12-30"])
def test_years_and_times_before_1970(begin):
    table = panel((150,), targets=1)
    stamps = pd.date_range(begin, periods=150, freq="YS" if begin[:4] == "1850" else "h")
    found = outcome(replace(table, time=stamps.to_numpy("datetime64[ns]"), frequency="YS"))
    text, _, picks = read(found)
    [pick] = picks.values()
    assert list(pd.to_datetime(moments(pick), unit="ms")) == list(stamps[100:])
    assert pick["stamps"][-1] == str(stamps[145])[:16]
    year = str(stamps[110].year)
    assert year[:3] in text


def test_rows_without_a_clock_have_numbers():
    found = outcome(panel((150,), targets=1, frequency=None))
    _, about, picks = read(found)
    [pick] = picks.values()
    assert not about["clock"] and moments(pick).tolist() == list(range(100, 150))
    assert about["bands"] == [] and all(len(channels) == 1 for channels in pick["leads"])


def test_one_window_is_enough():
    found = outcome(panel((104,), targets=1))
    assert len(found.test.starts) == 1
    text, about, [name] = read(found)
    assert about["picks"][0]["origins"] == [0] and name == "t0"
    assert re.search(r'class="line model" d="M[\d ]+h0"', text)  # one value of one lead: a dot


def test_bands_of_quantiles_are_the_widest_and_the_one_nearest_to_half():
    found = outcome(quantiles=True)
    every = np.sort(np.random.default_rng(0).normal(size=(*found.test.values.shape, 7)))
    levels = (0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99)
    found = replace(found, test=replace(found.test, quantiles=every, levels=levels))
    _, about, picks = read(found)
    assert about["bands"] == ["98 % interval", "50 % interval"]
    ends = lines(picks["s1"], picks["s1"]["leads"][0])
    mine = found.test.series == 1
    drawn = ends[1][np.isfinite(ends[1])]
    assert drawn == pytest.approx(every[mine, 0, 0, 0], abs=2 * picks["s1"]["step"])


def test_probabilities_are_drawn_over_what_happened():
    table = panel((150, 150), targets=1)
    happened = (table.outputs > 20).astype(float)
    found = outcome(replace(table, outputs=happened, targets=("t0 > 20",), task="event"))
    text, about, picks = read(found)
    assert about["dots"] and about["bands"] == [] and "Brier" in text
    pick = picks["s0"]
    true = pick["low"] + decoded(pick["true"]) * pick["step"]
    assert set(np.round(true, 9)) == {0.0, 1.0}


def test_the_still_picture_lies_where_its_values_say():
    """Pixels of the markup, from the values and the ends of the axes alone."""
    table = panel((150,), targets=1)
    table.outputs[130] = np.nan
    found = around(outcome(table))
    text, about, picks = read(found)
    svg = re.search(r"<svg viewBox=\"0 0 1120 300\".*?</svg>", text, re.S)[0]
    ys = {
        float(value.replace("−", "-")): float(y) - 4.5
        for y, value in re.findall(r'y="(\d+)" text-anchor="end">([^<]*)<', svg)
    }
    (low, bottom), (high, top) = min(ys.items()), max(ys.items())
    drawn = re.search(r'class="line true" d="([^"]*)"', svg)[1]
    points = np.array(re.findall(r"(\d+) (-?\d+)", drawn), float)
    true = table.outputs[100:, 0]
    known = np.isfinite(true)
    x = still.LEFT + np.arange(50) / 49 * (still.RIGHT - still.LEFT)
    np.testing.assert_allclose(points[:, 0], x[known], atol=0.51)
    expected = bottom + (true[known] - low) / (high - low) * (top - bottom)
    np.testing.assert_allclose(points[:, 1], expected, atol=1.6)
    assert drawn.count("M") == 2  # it breaks where the truth is missing
    own = found.test.frame().query("step == 2")
    error = f"{(own.forecast - own.true).abs().mean():.3g}"
    label = html.unescape(re.search(r'role="img" aria-label="([^"]*)"', svg)[1])
    assert label.startswith("Forecast 2 steps ahead over the actual values of t0, 1970-01-05 04:00")
    assert f": MAE {error}, " in label


def test_folds_are_marked_and_named():
    found = outcome()
    begin = found.table.time[found.table.tick == 120][0]
    _, about, _ = read(found, folds=[strip.Fold(begin, "fold 2")])
    assert about["folds"] == [{"at": begin.astype("M8[ms]").astype(int), "name": "fold 2"}]


@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [
        ("2013-10-19T05", "2013-12-30T23", ["24 Oct 2013", "7 Nov", "21 Nov", "5 Dec", "19 Dec"]),
        (
            "1969-12-31T05",
            "1970-01-01T23",
            ["06:00", "12:00", "18:00", "1 Jan", "06:00", "12:00", "18:00"],
        ),
        ("1850-05-01", "2013-05-01", [str(year) for year in range(1860, 2001, 20)]),
        ("2013-02-01", "2014-06-02", None),
    ],
)
def test_moments_are_round_and_few(first, last, expected):
    time = np.array([first, last], "datetime64[ns]")
    told = [text for _, text in still._marks(time)]
    assert 2 <= len(told) <= still.MARKS + 1
    if expected:
        told[0] = told[0].removesuffix(" 1969")
        assert told == expected
