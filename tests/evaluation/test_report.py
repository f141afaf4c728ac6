"""The report of a run: every number on the page from somewhere else, and a page that is whole."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from types import SimpleNamespace

import keras
import numpy as np
import pandas as pd
import pytest

from forecast.data import windows
from forecast.data.scale import Scaler
from forecast.data.split import Holdout
from forecast.data.windows import Window
from forecast.evaluation import scales, scores
from forecast.evaluation.forecasts import Forecasts
from forecast.evaluation.intervals.calibration import Intervals
from forecast.evaluation.intervals.margin import Reach
from forecast.evaluation.outcome import Outcome, Spec, headline
from forecast.evaluation.significance.pairs import Verdict
from forecast.evaluation.significance.wording import number
from forecast.report import charts, run_page
from forecast.report.charts import OTHERS, SHAPES, Band, Bars, Line, Rule
from forecast.report.sections import errors, examples, intervals
from forecast.report.sections.slices import MOST, parts
from forecast.training.forecaster import Forecaster
from forecast.training.parameters import Model, Training

from .tables import measured, panel

VOID = {"meta", "input", "br", "img"}
BASELINES = ("persistence", "seasonal_naive", "ridge")
BETTER = Verdict(-0.2, -3.0, 0.0025, 51)


class Page(HTMLParser):
    """What a page says: headings, rows of tables, pictures; its tags must be balanced."""

    def __init__(self, text):
        super().__init__()
        self.open, self.rows, self.headings, self.texts, self.tags = [], [], [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] in ("style", "script"):
            return
        self.texts.append(data)
        if {"td", "th"} & set(self.open):
            self.rows[-1][-1] += data
        if self.open[-1:] == ["h2"]:
            self.headings.append(data)

    def row(self, name):
        return next(row for row in self.rows if row and row[0] == name)


def outcome(table=None, window=None, *, quantiles=False, refit=False):
    """What the report reads of an outcome, with noise for forecasts."""
    table = table or panel((150, 150), targets=1)
    window = window or Window(12, 4)
    test = table.tick >= 100
    starts = windows.starts(table, window, within=test)
    true = windows.outputs(table.outputs, starts, window)
    rng = np.random.default_rng(0)
    task = table.task

    def made(noise, **more):
        values = true + rng.normal(0, noise, true.shape)
        return Forecasts(
            table, window, starts, values if task == "regression" else values.clip(0, 1), **more
        )

    levels = (0.05, 0.5, 0.95)
    ends = true[..., None] + rng.normal(0, 1, true.shape)[..., None] + np.array([-2.0, 0, 2])
    more = {"quantiles": ends, "levels": levels} if quantiles else {}
    model, others = made(0.5, **more), {name: made(n) for n, name in enumerate(BASELINES, 1)}
    inputs, outputs = (
        np.ones((len(table.names), rows.shape[1])) for rows in (table.inputs, table.outputs)
    )
    scaler = Scaler(0 * inputs, inputs, 0 * outputs, outputs)
    train = table.take(~test)
    scale = scales.Scale.of(train, scaler, 24)
    every = {name: scores.measure(found, scale) for name, found in {"": model, **others}.items()}
    each = {name: found.scores for name, found in every.items()}
    paired = dict.fromkeys(BASELINES, every[""])
    history = {"loss": [1.0, 0.5]} | ({} if refit else {"val_loss": [0.8, 0.9]})
    spec = Spec(
        Model("lstm", units=[4]), window, Training(epochs=3), regressors={"ridge": {"alpha": 1.0}}
    )
    forecaster = Forecaster(spec.model, window, spec.training)
    forecaster.model_ = keras.Sequential([keras.Input((1,)), keras.layers.Dense(617)])
    forecaster.history_, forecaster.best_epoch_ = history, 1
    forecaster.threads_, forecaster.scaler_ = 2, scaler
    return Outcome(
        spec=spec,
        table=table,
        cuts=Holdout(table.time[table.tick == 80][0], table.time[table.tick == 100][0]),
        season=24,
        forecaster=forecaster,
        test=model,
        baselines=others,
        measured=every,
        paired=paired,
        scores=each.pop("") | scores.skills(paired, {name: every[name] for name in others}),
        baseline_scores=each,
        verdicts={"ridge": BETTER},
        refit=refit,
        seconds={"fit": 1.5},
    )


def interval(level, method, lower, upper, crps=None):
    """Ends around the test forecasts; nothing is forecast behind them."""
    nothing = Reach(level, method, None, np.zeros((1, *lower.shape[1:])))
    return Intervals(level, method, lower, upper, nothing, 0 * lower if crps is None else crps)


def written(found, **more):
    return run_page.page("a run", run_page.sections(found, **more), run_page.head(found))


@pytest.fixture(scope="module")
def plain():
    found = outcome()
    return found, written(found, command="forecast train 'a=<b>'")


def test_the_page_has_every_section_and_loads_nothing(plain):
    _, text = plain
    page = Page(text)
    assert page.headings == [
        "Scores and baselines",
        "Where the errors occur",
        "Best and worst windows",
        "Learning curve",
        "Setup",
    ]
    assert "http" not in text and "forecast train 'a=<b>'" in " ".join(page.texts)
    assert not [value for _, named in page.tags for key, value in named.items() if key == "src"]
    links = {named["href"] for tag, named in page.tags if tag == "a"}
    anchors = {f"#{named['id']}" for _, named in page.tags if "id" in named}
    assert links == anchors
    assert len(text) < 500_000


def test_the_same_outcome_gives_the_same_bytes(plain):
    assert written(outcome(), command="forecast train 'a=<b>'") == plain[1]


def test_the_table_holds_the_scores_best_first(plain):
    found, text = plain
    page = Page(text)
    heads = [row for row in page.rows if row[0] == ""]
    assert heads[0][1] == "MAE" and heads[-1][1:3] == ["first", "last"]  # of scores, of spans
    board = next(n for n, row in enumerate(page.rows) if "sMAPE" in row)
    rows = page.rows[board : board + 5]
    assert [row[0] for row in rows[1:]] == ["lstm", *BASELINES]
    assert rows[0][2:4] == ["skill", "verdict"]
    scored = [rows[0][1], *rows[0][4:9]]
    keys = [key for name in scored for key, told_ in _COLUMNS.items() if told_ == name]
    every = {"lstm": found.scores} | found.baseline_scores
    for row in rows[1:]:
        assert [cell.removesuffix("\xa0★") for cell in (row[1], *row[4:9])] == [
            number(every[row[0]][key]) for key in keys
        ]
    first = (rows[1][1], *rows[1][4:7])
    assert all(cell.endswith("★") for cell in first)  # the smallest noise is the best
    assert rows[4][2:4] == [f"+{100 * found.scores['skill/ridge']:.1f} %", "better, p = 0.0025"]


def test_intervals_of_model_and_baselines_stand_in_the_table():
    found = outcome()

    def around(name, other):
        wrong = np.abs(other.values - other.true)
        ends = {"lower": other.values - 1, "upper": other.values + 1}
        one = interval(0.9, "split", **ends, crps=wrong / 2)
        own = found.scores if name == "lstm" else found.baseline_scores[name]
        own |= measured(other, one).scores | own
        return one

    found = replace(found, intervals=around("lstm", found.test))
    page = Page(written(found))
    heads = next(row for row in page.rows if "sMAPE" in row)
    place = heads.index("CRPS")
    assert heads[place : place + 3] == ["CRPS", "inside 90 %", "interval score"]
    row = page.rows[page.rows.index(heads) + 1]
    # a single value is no best, and no coverage is
    assert row[0] == "lstm" and not any("★" in cell for cell in row[place : place + 3])
    for name, other in found.baselines.items():
        found.baseline_intervals[name] = around(name, other)
    page = Page(written(found))
    rows = page.rows[page.rows.index(heads) + 1 :][: 1 + len(found.baselines)]
    starred = [[cell.endswith("★") for cell in row[place : place + 3]] for row in rows]
    assert starred == [[True, False, True], *[[False] * 3] * len(found.baselines)]
    for name, own in found.baseline_scores.items():
        row = page.row(f"around {name}")
        assert row[1:3] == ["90.0 %", f"{100 * own['test/coverage_90']:.1f} %"]


def test_an_interval_that_is_not_known_yet_is_no_miss():
    found = outcome()
    low, high = found.test.values - 100, found.test.values + 100
    low[:5], high[:5] = np.nan, np.nan
    found = replace(found, intervals=interval(0.8, "conformal", low, high))
    assert Page(written(found)).row("80 %, conformal")[1:] == ["80.0 %", "100.0 %", "200"]


_COLUMNS = {
    "test/mae": "MAE",
    "test/rmse": "RMSE",
    "test/mase": "MASE",
    "test/smape": "sMAPE",
    "test/bias": "bias",
    "test/r2": "R²",
}


def test_the_headline_says_the_error_and_what_it_beats(plain):
    found, _ = plain
    mae = found.scores["test/mae"]
    others = {name: own["test/mae"] for name, own in found.baseline_scores.items()}
    gone = round(100 * (1 - mae / others["persistence"]))
    tested = {"persistence": Verdict(-0.4, -5.0, 0.00001, 51)}
    better = replace(found, verdicts=tested)
    assert headline(better) == (
        f"{mae:.3g} MAE over 4 steps; {gone} % less error than persistence (p < 0.001)."
    )
    chance = {"persistence": Verdict(0.1, 1.0, 0.32, 51)}
    skill = found.scores | {"skill/persistence": -0.07}
    worse = replace(found, scores=skill, verdicts=chance)
    assert "; no significant difference from persistence (+7 %, p = 0.32)." in headline(worse)


def test_what_was_trained_is_told_in_words(plain):
    found, text = plain
    page = Page(text)
    assert page.row("window")[1] == "12 rows of 1 h seen, 4 rows predicted"
    assert page.row("model")[1] == "lstm, 1,234 weights"
    assert page.row("rows")[1] == "300 of 2 series"
    assert page.row("train")[1:] == ["1970-01-01 00:00", "1970-01-04 07:00", "80", "160", ""]
    count = f"{len(found.test.starts)} windows scored"
    assert page.row("test")[1:] == ["1970-01-05 04:00", "1970-01-07 05:00", "50", "100", count]
    lead = replace(found, spec=replace(found.spec, window=Window(1, 1, lead=2)))
    assert run_page.window(lead) == "1 row of 1 h seen, 2 rows skipped, 1 row predicted"


def test_errors_by_clock_are_those_of_a_groupby():
    found = outcome().test
    frame = found.frame()
    frame["wrong"] = (frame.forecast - frame.true).abs()
    every = parts(found)
    south = [part.name for part in every].index("series s1")
    hours = frame.groupby(frame.time.dt.hour).wrong.mean()
    told_ = errors.profiles(found, every)
    assert told_[0].by_clock == pytest.approx(hours.to_dict())
    own = frame[frame.series == "s1"]
    assert told_[south].by_clock == pytest.approx(
        own.groupby(own.time.dt.hour).wrong.mean().to_dict()
    )
    steps = own.groupby("step").wrong.mean()
    np.testing.assert_allclose(told_[south].by_step, steps)


@pytest.mark.parametrize(
    ("series", "targets", "name"),
    [(2, 2, "all targets and series"), (2, 1, "all series"), (1, 2, "all targets")],
)
def test_the_whole_is_named_after_what_it_joins(series, targets, name):
    assert parts(outcome(panel((150,) * series, targets=targets)).test)[0].name == name


def test_holes_in_the_truth_are_left_out_of_errors():
    table = panel((150,), targets=2)
    table.outputs[120:124, 0] = np.nan
    found = outcome(table).test
    starts = np.arange(100 - 12, 150 - 16 + 1)
    gappy = Forecasts(table, found.window, starts, np.full((len(starts), 4, 2), 20.0))
    frame = gappy.frame().dropna(subset="true")
    mean = (frame.forecast - frame.true).abs().groupby(frame.step).mean()
    np.testing.assert_allclose(errors.profiles(gappy, parts(gappy))[0].by_step, mean)


@pytest.mark.parametrize(
    ("frequency", "expected"),
    [("15min", "hour"), ("h", "hour"), ("D", "weekday"), ("B", "weekday"), ("7D", "month")]
    + [("MS", "month"), ("YS", None), (None, None)],
)
def test_the_round_of_the_clock_follows_the_frequency(frequency, expected):
    friday = np.array(["2024-03-01"], "datetime64[ns]")
    assert errors.cycle(SimpleNamespace(time=friday, frequency=frequency)) == expected


def test_autocorrelation_is_that_of_a_loop():
    rng = np.random.default_rng(3)
    residuals = rng.normal(size=(60, 2)).cumsum(axis=0)
    residuals[[5, 17], 0] = np.nan
    expected = []
    for lag in range(1, 8):
        each = []
        for column in residuals.T:
            middle = np.nanmean(column)
            above = sum(
                (column[n] - middle) * (column[n + lag] - middle)
                for n in range(60 - lag)
                if np.isfinite(column[n] + column[n + lag])
            )
            each.append(above / np.nansum((column - middle) ** 2))
        expected.append(np.mean(each))
    np.testing.assert_allclose(errors.autocorrelation(residuals, 7), expected)


def test_residuals_of_the_first_step_stand_at_their_origins():
    found = outcome(panel((150, 150), targets=1, absent={(0, 120)})).test
    grid = errors.first_steps(found, parts(found)[0])
    frame = found.frame().query("step == 1")
    hours = (frame.origin - frame.origin.min()) // pd.Timedelta("1h")
    for row, hour in zip(frame.itertuples(), hours, strict=True):
        assert grid[hour, int(row.series[1])] == pytest.approx(row.forecast - row.true)
    assert np.isfinite(grid).sum() == len(frame) < grid.size  # windows over a gap are none


def test_windows_are_the_worst_and_lie_apart():
    found = outcome().test
    wrong = found.error(axis=1)
    chosen = examples.chosen(found, -wrong)
    assert chosen[0] == np.unravel_index(wrong.argmax(), wrong.shape)
    ticks = found.table.tick[found.origins[[window for window, _ in chosen]]]
    span = np.ptp(found.table.tick[found.origins])
    assert len(chosen) == 3 and min(np.diff(np.sort(ticks))) >= span // 8
    # a loop over all windows, the worst first, keeps the same
    kept = []
    for window in np.argsort(-wrong[:, 0], kind="stable"):
        tick = found.table.tick[found.origins[window]]
        if all(abs(tick - other) >= span // 8 for other in kept):
            kept.append(tick)
    assert kept[:3] == ticks.tolist()


def test_neighbours_of_the_worst_are_passed_over():
    """One bad night: its windows overlap, and so do those of the other series at that time."""
    found = outcome().test
    ticks = found.table.tick[found.origins]
    wrong = 1 / (1 + np.abs(ticks - 120.0))[:, None]
    chosen = [ticks[window] for window, _ in examples.chosen(found, -wrong)]
    apart = np.ptp(ticks) // 8
    assert chosen == [120, *sorted((120 - apart, 120 + apart))]


def test_few_windows_are_shown_without_repeating_one():
    found = outcome(window=Window(12, 48)).test
    single = Forecasts(found.table, found.window, found.starts[:2], found.values[:2])
    chosen = examples.chosen(single, single.error(axis=1))
    assert sorted(window for window, _ in chosen) == [0, 1]


def test_quantiles_and_intervals_are_held_against_the_truth():
    found = outcome(quantiles=True)
    low, high = found.test.values - 1, found.test.values + 1
    found = replace(found, intervals=interval(0.8, "conformal", low, high))
    page = Page(written(found))
    assert "Uncertainty" in page.headings
    true = found.test.true
    inside = np.mean((true >= low) & (true <= high))
    assert page.row("80 %, conformal")[1:] == ["80.0 %", f"{100 * inside:.1f} %", "2"]
    q = found.test.quantiles
    inside = np.mean((true >= q[..., 0]) & (true <= q[..., 2]))
    assert page.row("90 %, quantiles")[1:] == ["90.0 %", f"{100 * inside:.1f} %", "4"]
    below = [f"{np.mean(true <= q[..., n]):.4g}" for n in range(3)]
    said = [row[1:] for row in page.rows if row[0] in ("0.05", "0.5", "0.95") and len(row) == 3]
    assert [row[1] for row in said[:3]] == below


def test_probabilities_have_a_reliability_and_no_residuals():
    from dataclasses import replace

    table = panel((150, 150), targets=1)
    happened = (table.outputs > 20).astype(float)
    found = outcome(replace(table, outputs=happened, targets=("t0 > 20",), task="event"))
    text = written(found)
    page = Page(text)
    assert "Uncertainty" in page.headings and "Autocorrelation" not in text
    assert "t0 &gt; 20" in text and any("Brier" in row for row in page.rows)
    said, share, count = intervals.reliability(found.test.true, found.test.values)
    frame = pd.DataFrame({"p": found.test.values.ravel(), "y": found.test.true.ravel()})
    groups = frame.groupby(np.minimum((frame.p * 10).astype(int), 9))
    np.testing.assert_allclose(said, groups.p.mean())
    np.testing.assert_allclose(share, groups.y.mean())
    assert count.tolist() == groups.size().tolist()


def test_names_of_the_data_are_escaped():
    from dataclasses import replace

    evil = '<b onload="x">&'
    table = panel((150, 150), targets=2)
    names = ("<script>alert(1)</script>", evil)
    table = replace(table, names=names, targets=(evil, "t1"), features=(evil, "t1", "other"))
    text = written(outcome(table), facts={"data": evil})
    page = Page(text)
    assert [tag for tag, _ in page.tags].count("script") == 1
    assert not any("onload" in named for _, named in page.tags)
    assert page.row("data")[1] == evil


def test_a_hundred_series_stay_small_and_many_are_told():
    found = outcome(panel((150,) * 100, targets=1))
    text = written(found)
    page = Page(text)
    assert len(text) < 5_000_000
    own = found.measured[""].by_series
    order = sorted(own, key=own.get, reverse=True)
    first = next(n for n, row in enumerate(page.rows) if row[:1] == ["series"] and len(row) > 5)
    assert [row[0] for row in page.rows[first + 1 : first + 11]] == order[:10]
    every = [row[0] for row in page.rows if re.fullmatch(r"s\d+", row[0])]
    assert sorted(every) == sorted(order)
    assert [part.name for part in parts(found.test)][1:] == [f"series {n}" for n in order[:MOST]]


def test_errors_of_many_series_are_a_distribution_with_both_ends():
    found = outcome(panel((150,) * 340, targets=1))
    page = Page(written(found))
    own = found.measured[""].by_series
    order = sorted(own, key=own.get, reverse=True)
    every = [row[0] for row in page.rows if re.fullmatch(r"s\d+", row[0])]
    assert every == order[:10] + order[-10:]
    assert any("340 series" in text for text in page.texts)
    median = f"The dashed line is the median, {number(float(np.median([*own.values()])), 3)}."
    assert any(text.startswith(median) for text in page.texts)


def test_a_refit_without_stopping_and_rows_without_a_clock():
    page = Page(written(outcome(panel((150,), targets=1, frequency=None), refit=True)))
    trained = "2 epochs on training and validation rows, without early stopping"
    assert page.row("trained")[1] == trained
    assert page.row("window")[1] == "12 rows seen, 4 rows predicted"
    assert page.row("test")[1:3] == ["100", "149"]


def test_one_step_and_a_model_without_baselines():
    found = outcome(window=Window(6, 1, lead=2))
    found = replace(found, baselines={}, baseline_scores={})
    text = written(found)
    mae = found.scores["test/mae"]
    assert f"{mae:.3g} MAE over one step." in Page(text).texts
    assert "up to lag 2 that is natural" in text


def test_marks_lie_where_their_values_say():
    drawn = charts.chart(
        "a <title>",
        [
            Line("line", [0, 1, 2, 3], [0.0, np.nan, 10.0, 5.0], OTHERS[0], dots=True),
            Band("band", [0, 3], [0.0, 2.0], [4.0, 8.0]),
            Bars("bars", [1, 2], [3.0, 6.0], 1.0),
            Rule(10.0),
            Rule(3, upright=True),
        ],
    )
    width, height = charts.RIGHT - charts.LEFT, charts.BOTTOM - charts.TOP
    assert "a &lt;title&gt;" in drawn
    line = re.search(r'class="line o0 d0" d="([^"]*)"', drawn)[1]
    found = [tuple(map(float, pair)) for pair in re.findall(r"([\d.]+) ([\d.]+)", line)]
    expected = [
        (charts.LEFT + width * x / 3, charts.BOTTOM - height * y / 10)
        for x, y in [(0, 0), (2, 10), (3, 5)]
    ]
    assert found == [pytest.approx(place, abs=0.06) for place in expected]
    assert line.count("M") == 2  # it breaks where nothing is known
    page = Page(drawn)
    assert page.row("1") == ["1", "", "", "", "3"]
    assert page.row("3") == ["3", "5", "2", "8", ""]


def test_no_two_of_many_baselines_look_alike(plain):
    assert len(set(OTHERS)) == len(OTHERS) == 25
    assert {look.split()[1] for look in OTHERS} == set(SHAPES) - {"model"}
    for look in OTHERS:
        colour, dash = (f".{name} {{" for name in look.split())
        assert colour in plain[1] and f".line{dash}" in plain[1]


@pytest.mark.parametrize(
    ("low", "high", "season"),
    [
        (0, 1, 0),
        (-3.2, 17.9, 0),
        (1e-6, 3e-6, 0),
        (1, 720, 24),
        (-335, 96, 96),
        (1, 2, 1),
        (1, 48, 7),
    ],
)
def test_ticks_are_few_round_and_inside(low, high, season):
    found = charts.ticks(low, high, season=season)
    assert 2 <= len(found) <= 8
    assert low - 1e-9 <= found[0] and found[-1] <= high + 1e-9
    steps = np.diff(found)
    np.testing.assert_allclose(steps, steps[0])
    if season:
        assert steps[0] == round(steps[0]) and (season % steps[0] == 0 or steps[0] % season == 0)
    else:
        assert round(steps[0] / 10 ** np.floor(np.log10(steps[0] * 1.0001)), 6) in (1, 2, 5)
