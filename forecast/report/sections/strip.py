"""The strip at the head of a report: the whole test span, forecasts over the truth."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from forecast.data import windows
from forecast.evaluation import scores
from forecast.evaluation.significance.wording import measured
from forecast.metrics import coverage
from forecast.report.charts import samples
from forecast.report.page import render
from forecast.report.sections import still
from forecast.report.sections.codes import encode, unit
from forecast.report.sections.examples import stamp
from forecast.report.sections.intervals import Ends, bands
from forecast.report.sections.slices import ranked_series

if TYPE_CHECKING:
    from forecast.evaluation.outcome import Outcome

ALL = 3
"""Most series, and targets, that are all shown; of more the worst, the median and the best."""

CHARACTERS = 190_000
"""Most that the numbers of the page take; of a longer span every second row is drawn, or fewer."""

PRECISION = 4_000
"""Steps between the smallest and the largest value."""


@dataclass(frozen=True)
class Pick:
    """One target of one series.

    Attributes:
        series: Its code.
        target: Its position.
        name: What a person calls it, among the others.
        word: "worst", "median" or "best" of its series; empty where all are shown.
        mine: Windows of the series, ascending.
        rows: Its rows from the first predicted one to the last.
    """

    series: int
    target: int
    name: str
    word: str
    mine: np.ndarray
    rows: np.ndarray


@dataclass(frozen=True)
class Fold:
    """Where a fold begins, and what it is called."""

    begin: Any
    name: str


def section(outcome: "Outcome", folds: Sequence[Fold] = ()) -> str:
    """Draw truth, forecasts and bands over the test span; without script, one lead of one pick."""
    every = picks(outcome)
    if not every:
        return ""
    middle = ranked_series(outcome.test)["median"]
    chosen = next((n for n, pick in enumerate(every) if pick.series == middle), 0)
    ends, ahead = _ends(outcome), leads(outcome.test.window.horizon)
    lead = ahead[len(ahead) // 2]
    about, thinned = _numbers(outcome, every, ends, ahead)
    about |= {"pick": chosen, "lead": ahead.index(lead), "season": outcome.season}
    clock = outcome.table.time.dtype.kind == "M"
    about["folds"] = [
        {"at": _moment(fold.begin) if clock else float(fold.begin), "name": fold.name}
        for fold in folds
    ]
    label = _label(outcome, every[chosen], lead, ends)
    looks = {"actual": "true", "forecast": "model"}
    looks |= {name: look for (name, *_), look in zip(ends, ("band", "band inner"), strict=False)}
    return render(
        "strip",
        about=json.dumps(about, separators=(",", ":"), ensure_ascii=False),
        label=label,
        picture=still.draw(_lines(outcome, every[chosen], ends, [lead])),
        legend=samples(looks),
        note=_note(outcome, every, thinned),
        where=_where(outcome, every[chosen], lead),
    )


def leads(horizon: int) -> list[int]:
    """Choose a few steps ahead: the first, the last, and what lies between.

    >>> leads(24), leads(1), leads(7)
    ([1, 6, 12, 24], [1], [1, 2, 4, 7])
    """
    return sorted({1, max(1, round(horizon / 4)), max(1, round(horizon / 2 + 0.1)), horizon})


def picks(outcome: "Outcome") -> list[Pick]:
    """Choose series and targets: all of few; of many the worst, the median and the best."""
    test, table = outcome.test, outcome.table
    codes = {int(code): "" for code in np.unique(test.series)}
    if len(codes) > ALL:
        codes = {code: word for word, code in ranked_series(test).items()}
    targets = list(range(len(table.targets)))
    if len(targets) > max(ALL, 4 if table.task != "regression" else ALL):
        errors = test.error(axis=(0, 1))
        if table.task == "regression":  # on one scale
            errors = errors / outcome.forecaster.scaler_.spread.mean(axis=0)
        order = np.argsort(-np.nan_to_num(errors), kind="stable")
        targets = [int(order[place]) for place in (0, (len(order) - 1) // 2, -1)]
    found = []
    for code, word in codes.items():
        mine = np.flatnonzero(test.series == code)
        mine = mine[np.argsort(test.starts[mine], kind="stable")]
        ahead = windows.future_rows(test.starts[mine], test.window)
        rows = np.arange(ahead.min(), ahead.max() + 1)
        for target in targets:
            parts = [table.names[code]] * (len(table.names) > 1)
            parts += [table.targets[target]] * (len(table.targets) > 1 or not parts)
            found.append(Pick(code, target, ": ".join(parts), word, mine, rows))
    return found


def _ends(outcome: "Outcome") -> list[Ends]:
    """Return at most two bands, the wider one first: of intervals, or between quantiles."""
    found = bands(outcome)
    made = [one for one in found if not one[0].endswith("quantiles")] or found
    inner = min(made[1:], key=lambda one: abs(one[1] - 0.5), default=None)
    chosen = [*made[:1], *([inner] if inner else [])]
    return [
        (f"{name.partition(',')[0]} interval", level, low, high)
        for name, level, low, high in chosen
    ]


def _lines(
    outcome: "Outcome", pick: Pick, ends: Sequence[Ends], ahead: Sequence[int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[np.ndarray]]:
    """Lay truth and forecasts of some leads on the rows of a pick.

    Where rows are apart an empty one lies between them. Returns times and truth (places,), the
    place of each row, and of each lead (1 + 2 · bands, places): forecast and ends of each band.
    """
    table, test = outcome.table, outcome.test
    tick = table.tick[pick.rows]
    breaks = np.flatnonzero(np.diff(tick) > 1) + 1
    place = np.arange(len(pick.rows)) + np.searchsorted(breaks, np.arange(len(tick)), "right")
    time = np.insert(table.time[pick.rows], breaks, table.time[pick.rows][breaks - 1])
    true = np.insert(table.outputs[pick.rows, pick.target], breaks, np.nan)
    rows = windows.future_rows(test.starts[pick.mine], test.window) - pick.rows[0]
    each = []
    for lead in ahead:
        lines = np.full((1 + 2 * len(ends), len(time)), np.nan)
        at = place[rows[:, lead - 1]]
        some = pick.mine, lead - 1, pick.target
        values = [test.values, *(end for _, _, low, high in ends for end in (low, high))]
        for line, of in zip(lines, values, strict=True):
            line[at] = of[some]
        each.append(lines)
    return time, true, place, each


def _numbers(
    outcome: "Outcome", every: Sequence[Pick], ends: Sequence[Ends], ahead: Sequence[int]
) -> tuple[dict[str, Any], int]:
    """Return what the script draws, and of how many rows one."""
    rows = sum(len(pick.rows) for pick in every)
    # a first guess keeps the work small, then the length of the text decides
    thin = max(1, rows * (1 + len(ahead) * (1 + 2 * len(ends))) // (8 * CHARACTERS))
    while True:
        found = [_pick(outcome, pick, ends, ahead, thin) for pick in every]
        size = sum(len(json.dumps(one)) for one in found)
        if size <= CHARACTERS or all(len(pick.rows) <= 2 * thin for pick in every):
            break
        thin = max(thin + 1, -(-thin * size // CHARACTERS))
    return {
        "leads": list(ahead),
        "bands": [name for name, *_ in ends],
        "dots": outcome.table.task != "regression",
        "clock": outcome.table.time.dtype.kind == "M",
        "error": outcome.test.headline.name,
        "picks": found,
    }, thin


def _pick(
    outcome: "Outcome", pick: Pick, ends: Sequence[Ends], ahead: Sequence[int], thin: int
) -> dict[str, Any]:
    """Write a pick as text: its times, the truth, forecasts by lead and from some origins."""
    test, table = outcome.test, outcome.table
    time, true, place, each = _lines(outcome, pick, ends, ahead)
    values = np.concatenate([true, *(lines.ravel() for lines in each)])
    low, step = unit(values, PRECISION)
    clock = time.dtype.kind == "M"
    # in nanoseconds, or numbers of rows
    moments = time.astype("datetime64[ns]").astype(np.int64) if clock else time
    between = np.diff(moments)
    apart = np.gcd.reduce(between) if clock and len(between) and between.any() else 1
    # where only some origins are scored, a lead has values at every gap-th row
    ticks = np.diff(test.table.tick[test.origins[pick.mine]])
    gap = max(1, int(np.median(ticks))) if len(ticks) else 1
    thin = gap * -(-thin // gap) if thin > 1 else 1
    known = [int(np.isfinite(lines[0]).argmax()) % thin if gap > 1 else 0 for lines in each]
    origins = _origins(outcome, pick, thin)
    pieces = [test.values[origins, :, pick.target]]
    pieces += [e[origins, :, pick.target] for _, _, a, b in ends for e in (a, b)]
    first = windows.future_rows(test.starts[origins], test.window)[:, 0] - pick.rows[0]
    return {
        "name": f"{pick.name} ({pick.word} series)" if pick.word else pick.name,
        "title": _title(outcome, pick),
        "unit": table.unit(pick.target).removeprefix(", "),
        "start": _moment(time[0]) if clock else float(time[0]),
        "apart": float(apart) / 1e6 if clock else 1.0,
        "time": encode(between // apart),
        "low": low,
        "step": step,
        "thin": thin,
        "true": encode((true[::thin] - low) / step),
        "gap": gap,
        "at": known,
        "leads": [
            _channels(lines[:, at::thin], low, step) for lines, at in zip(each, known, strict=True)
        ],
        "origins": place[first].tolist(),
        "stamps": [
            f"{'' if clock else 'row '}{stamp(table.time[row])}" for row in test.origins[origins]
        ],
        "ahead": _channels(np.stack([piece.ravel() for piece in pieces]), low, step),
    }


def _channels(lines: np.ndarray, low: float, step: float) -> list[str]:
    """Write a forecast, and of each band how far it reaches below and how much more above."""
    found = [encode((lines[0] - low) / step)]
    for below, above in zip(lines[1::2], lines[2::2], strict=True):
        down, up = (np.round(reach / step) for reach in (lines[0] - below, above - lines[0]))
        found += [encode(down), encode(up - down)]
    return found


def _origins(outcome: "Outcome", pick: Pick, thin: int) -> np.ndarray:
    """Choose windows a season apart, or as many seasons as their futures need not to overlap."""
    test, season = outcome.test, outcome.season
    apart = season * -(-max(test.window.horizon, season) // season) * thin
    tick = test.table.tick[test.origins[pick.mine]]
    chosen = pick.mine[(tick[-1] - tick) % apart == 0]
    return chosen if len(chosen) else pick.mine[-1:]


def _moment(time: Any) -> float:
    """Return milliseconds since 1970."""
    return int(np.datetime64(time, "ns").astype(np.int64)) / 1e6


def _where(outcome: "Outcome", pick: Pick, lead: int) -> str:
    """Say what is seen, as the script says it of another choice."""
    return f"{_title(outcome, pick)} · {_ahead(lead)} · whole test span"


def _title(outcome: "Outcome", pick: Pick) -> str:
    """Name series, target and unit."""
    table, word = outcome.table, f" ({pick.word} series)" if pick.word else ""
    series = f"{table.names[pick.series]}{word}: " if len(table.names) > 1 else ""
    return f"{series}{table.targets[pick.target]}{table.unit(pick.target)}"


def _ahead(lead: int) -> str:
    return f"{lead} step{'s' * (lead > 1)} ahead"


def _label(outcome: "Outcome", pick: Pick, lead: int, ends: Sequence[Ends]) -> str:
    """Say the finding of the picture."""
    time, true, _, [lines] = _lines(outcome, pick, ends, [lead])
    known = np.where(np.isfinite(lines[0]), true, np.nan)  # without rows that are only looked at
    error = float(outcome.test.headline.of(known[:, None, None], lines[0][:, None, None]))
    told = f"Forecast {_ahead(lead)} over the actual values of {pick.name}"
    told += f", {stamp(time[0])} to {stamp(time[-1])}"
    unit_ = outcome.table.unit(pick.target)
    told += f": {outcome.test.headline.name} {measured(error, unit_, 3)}"
    if ends:
        known = np.where(np.isfinite(lines[1]), true, np.nan)
        held = float(coverage(known, lines[1], lines[2]))
        told += f", {scores.percent(round(held, 3))} % inside the {ends[0][0]}"
    return told


def _note(outcome: "Outcome", every: Sequence[Pick], thinned: int) -> str:
    """Say what is left out."""
    told = list[str]()
    count, chosen = len(np.unique(outcome.test.series)), {pick.series for pick in every}
    if len(chosen) < count:
        told.append(f"Of {count:,} series: the worst, the median and the best by error.")
    targets = {pick.target for pick in every}
    if len(targets) < len(outcome.table.targets):
        told.append(
            f"Of {len(outcome.table.targets):,} targets: those with the largest, the median and "
            "the smallest error on one scale."
        )
    if outcome.sampled:
        told.append(f"Pictures show {outcome.sampled}; scores are of all.")
    if thinned > 1:
        told.append(f"The span is long: one of {thinned} rows is drawn.")
    return " ".join(told)
