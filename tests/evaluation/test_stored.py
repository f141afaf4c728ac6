"""Stored forecasts read part by part: the same numbers as by a loop over all of them."""

from collections import defaultdict

import numpy as np
import pandas as pd
import pytest

from forecast.errors import InputError
from forecast.evaluation.significance import stored
from forecast.evaluation.significance.aligned import common
from forecast.evaluation.significance.pairs import diebold_mariano
from forecast.evaluation.significance.promotion import decide
from forecast.evaluation.significance.ranks import friedman, wilcoxon
from forecast.evaluation.significance.stored import Stored, added
from forecast.metrics.headline import HEADLINES

from ..commands.test_compare import said

MAE, BRIER = HEADLINES["regression"], HEADLINES["event"]


def forecast(seed: int, clocked: bool = True) -> pd.DataFrame:
    """What a run said of some series, from some origins, with holes in truth and CRPS."""
    rng = np.random.default_rng(seed)
    series = [name for name in "abcdefghijkl" if name == "f" or rng.random() < 0.9]
    frame = said(
        0.5, origins=range(rng.integers(9), 30 - rng.integers(9)), series=series, seed=seed
    )
    frame = frame[~frame.origin.isin(rng.choice(frame.origin.unique(), 4))]
    frame = frame[(frame.series == "f") | (frame.step <= 2)]  # how far, one of them says
    frame = frame.assign(crps=0.7 * (frame.forecast - frame.true).abs())
    frame.loc[rng.random(len(frame)) < 0.1, "crps"] = np.nan
    frame.loc[rng.random(len(frame)) < 0.1, "true"] = np.nan
    if not clocked:
        for key in ("origin", "time"):
            hours = (frame[key] - pd.Timestamp("2024-01-01")) / pd.Timedelta("1h")
            frame[key] = hours.astype(int)
    return frame.reset_index(drop=True)


def file(path, frame: pd.DataFrame, rows: int) -> Stored:
    """A file with row groups of so many rows."""
    frame.to_parquet(path, row_group_size=rows)
    return Stored(path)


def by_loop(frames, squared: bool) -> dict:
    """What several runs have all forecast, by dicts and loops over values."""
    key = ["series", "origin", "time", "target"]
    each = []
    for frame in frames:
        rows = frame if "crps" in frame else frame.assign(crps=np.nan)
        values = rows[[*key, "forecast", "true", "crps"]].itertuples(index=False)
        each.append({tuple(row[:4]): row[4:] for row in values if row[5] == row[5]})
    shared = set.intersection(*map(set, each))
    some = [any(np.isfinite(one[value][2]) for value in shared) for one in each]
    found = {"values": len(shared), "windows": len({value[:2] for value in shared})}
    names = ("origins", "series", "scores")
    sums = {name: [defaultdict(list) for _ in each] for name in names}
    for value in shared:
        scored = all(np.isfinite(one[value][2]) for one, has in zip(each, some, strict=True) if has)
        for run, one in enumerate(each):
            said_of, true, crps = one[value]
            loss = (said_of - true) ** 2 if squared else abs(said_of - true)
            sums["origins"][run][value[1]].append((loss, (said_of - true) ** 2))
            sums["series"][run][value[0]].append(loss)
            if scored and some[run]:
                sums["scores"][run][value[1]].append(crps)
    pairs = [[pair for one in run.values() for pair in one] for run in sums["origins"]]
    found["error"] = [np.mean([loss for loss, _ in one]) for one in pairs]
    found["rmse"] = [np.sqrt(np.mean([square for _, square in one])) for one in pairs]
    crps = [[value for one in run.values() for value in one] for run in sums["scores"]]
    found["crps"] = [np.mean(one) if one else np.nan for one in crps]
    found["origins"] = [
        {at: np.mean([loss for loss, _ in one]) for at, one in run.items()}
        for run in sums["origins"]
    ]
    for name in ("series", "scores"):
        found[name] = [{at: np.mean(one) for at, one in run.items()} for run in sums[name]]
    return found


def by_hand(losses, run: int, other: int, horizon: int):
    """Verdict on losses by origin, which lie hours apart."""
    at = sorted(losses[run])
    hour = 1 if isinstance(at[0], int) else pd.Timedelta("1h")
    place = np.array([(one - at[0]) / hour for one in at])
    each = (np.array([losses[number][one] for one in at]) for number in (run, other))
    return diebold_mariano(*each, horizon, position=place.astype(int))


def same(found, expected):
    assert found.origins == expected.origins
    for name in ("difference", "statistic", "p"):
        np.testing.assert_allclose(getattr(found, name), getattr(expected, name), rtol=1e-8)


@pytest.mark.parametrize("most", [36, 700, 10**9])
@pytest.mark.parametrize("seed", range(4))
def test_parts_add_up_to_what_a_loop_finds(tmp_path, seed: int, most: int):
    """Three runs; of the last has none a CRPS, or only the last series and origins of each."""
    clocked, squared = seed != 1, seed == 2
    frames = [forecast(10 * seed + run, clocked) for run in range(3)]
    if seed % 2:
        frames[2] = frames[2].drop(columns="crps")
    else:
        frames[2].loc[frames[2].series < "e", "crps"] = np.nan
    if seed == 3:
        frames[1] = frames[1].sample(frac=1, random_state=0)
    runs = [file(tmp_path / f"{n}", frame, 70 * n + 90) for n, frame in enumerate(frames)]
    expected = by_loop(frames, squared)
    found = common(runs, BRIER if squared else MAE, most=most)
    assert (found.values, found.windows) == (expected["values"], expected["windows"])
    assert found.series == len(expected["series"][0])
    assert found.origins.tolist() == sorted(expected["origins"][0])
    for name in ("error", "rmse", "crps"):
        np.testing.assert_allclose(getattr(found, name), expected[name], rtol=1e-12)
    reach = 4  # hours from an origin to the last that is forecast
    for run, other in ((0, 1), (1, 2), (2, 0)):
        same(found.verdict(run, other), by_hand(expected["origins"], run, other, reach))
        verdict = found.crps_verdict(run, other)
        if seed % 2 and 2 in (run, other):
            assert verdict is None
        else:
            same(verdict, by_hand(expected["scores"], run, other, reach))
    names = sorted(expected["series"][0])
    errors = np.array([[one[name] for one in expected["series"]] for name in names])
    ranking = friedman(errors, ["A", "B", "C"])
    np.testing.assert_allclose(found.over_series(["A", "B", "C"]).average, ranking.average)
    assert found.over_series(["A", "B", "C"]).p == pytest.approx(ranking.p, nan_ok=True)
    two = common(runs[:2], MAE, most=most).over_series(["A", "B"])
    one = by_loop(frames[:2], squared=False)["series"]
    errors = np.array([[one[0][name], one[1][name]] for name in sorted(one[0])])
    assert two.p == pytest.approx(wilcoxon(errors[:, 1], errors[:, 0]).p, nan_ok=True)


def test_no_more_rows_are_held_than_are_allowed(tmp_path, monkeypatch):
    """Two runs of a long series and short ones; a part is cut between two origins."""
    frames = [
        pd.concat(
            [
                said(0.5, series=list("abcdef"), origins=range(10), seed=seed),
                said(0.5, series="x", origins=range(500), seed=seed),
                said(0.5, series=list("ghijkl"), origins=range(10), seed=seed),
            ]
        )
        for seed in (1, 2)
    ]
    runs = [file(tmp_path / f"{n}", frame, 100_000) for n, frame in enumerate(frames)]
    held, batches = [], []
    rows, batch = Stored.rows, Stored._batches

    def reading(self, *words):
        found = rows(self, *words)
        if self is runs[0]:
            held.append(0)
        held[-1] += len(found)
        return found

    def decoding(self, *words):
        for one in batch(self, *words):
            batches.append(one.num_rows)
            yield one

    monkeypatch.setattr(Stored, "rows", reading)
    monkeypatch.setattr(Stored, "_batches", decoding)
    monkeypatch.setattr(stored, "BATCH", 64)
    found = common(runs, MAE, most=330)
    # 4 series of 40 values in both runs are 320 rows; 41 origins of 4 in both are 328
    assert max(held) <= 330 and max(batches) <= 64
    assert held == [320, 160, *[328] * 12, 64, 320, 160]
    assert found.values == sum(held) / 2 == len(frames[0])


def test_only_row_groups_that_hold_a_series_or_an_origin_are_read(tmp_path, monkeypatch):
    frame = said(0.5, series=list("abcdefgh"), origins=range(40))  # 160 rows each
    run = file(tmp_path / "0", frame, 160)
    asked = []
    batch = Stored._batches

    def decoding(self, columns, groups):
        asked.append(list(groups))
        return batch(self, columns, groups)

    assert run.contents.counts.tolist() == [160] * 8
    monkeypatch.setattr(Stored, "_batches", decoding)
    rows = run.rows(np.isin(list("abcdefgh"), ["c", "f"]), None)
    assert asked == [[2, 5]] and len(rows) == 320
    origins = frame.origin.unique()
    long = file(tmp_path / "1", said(0.5, series="a", origins=range(40)), 40)
    rows = long.rows(np.array([True]), (origins[12], origins[25]))
    assert asked[2:] == [[1, 2]] or asked[-1] == [1, 2]
    assert len(rows) == 14 * 4


def test_what_is_no_common_question_is_said_of_files_as_of_frames(tmp_path):
    whole = said()
    others = {
        "targets": whole.assign(target="temp"),
        "span": said(origins=range(100, 120)),
        "series": said(series="xyz"),
        "unit": said(shift=32),
    }
    for name, other in others.items():
        runs = [file(tmp_path / f"{name}{n}", one, 99) for n, one in enumerate((whole, other))]
        with pytest.raises(InputError) as of_files:
            common(runs, MAE, most=50)
        with pytest.raises(InputError) as of_frames:
            common([whole, other], MAE)
        assert str(of_files.value) == str(of_frames.value)
    with pytest.raises(InputError, match="none in common .nan to nan; nan to nan"):
        common([file(tmp_path / "none", whole[:0], 9)] * 2, MAE)
    plain = whole.assign(**{key: np.arange(len(whole)) for key in ("origin", "time")})
    with pytest.raises(InputError, match="none in common .2024-01-01 00:00:00 to .*; 0 to 1679"):
        common([whole, plain], MAE, most=50)


def test_a_decision_on_files_is_that_on_frames(tmp_path, monkeypatch):
    champion = said(1.0, origins=range(120), seed=1)
    half = champion.assign(forecast=(champion.forecast + champion.true) / 2)
    others = {
        "better": half,
        "first steps last": half.sort_values("step", ascending=False),
        "steps": half[half.step <= 3],
        "lead": half.assign(time=half.time + pd.Timedelta("1h")),
        "series": half[~half.series.isin(["a", "c"])],
    }
    monkeypatch.setattr(stored, "BATCH", 250)
    old = file(tmp_path / "old", champion, 77)
    for name, other in others.items():
        found = decide(old, file(tmp_path / name, other, 101), MAE)
        expected = decide(champion, other, MAE)
        assert (found.promoted, found.why) == (expected.promoted, expected.why)
        assert found.promoted == (name in ("better", "first steps last"))


def test_files_may_keep_texts_and_times_otherwise(tmp_path):
    """Categories of which some name no row, microseconds, texts that no dictionary holds."""
    frame = said(0.5, seed=1)
    first = frame.astype({"origin": "datetime64[us]", "time": "datetime64[us]"})
    names = pd.Categorical(frame.series, categories=list("zgfedcbay"))
    second = said(0.6, seed=2).assign(series=names)
    first.to_parquet(tmp_path / "0", use_dictionary=False)
    second.to_parquet(tmp_path / "1")
    files = [Stored(tmp_path / name) for name in "01"]
    assert set(files[1].contents.series) == set("abcdefg")
    found = common(files, MAE)
    expected = common([frame, said(0.6, seed=2)], MAE)
    assert found.error.tolist() == expected.error.tolist() and found.series == 7
    assert found.verdict(0, 1) == expected.verdict(0, 1)


def test_added_keeps_order_and_adds_nothing_over_and_over():
    moved = []

    def add(one, other):
        moved.append(len(one) + len(other))
        return one + other

    assert added(iter([[n] for n in range(1000)]), add) == list(range(1000))
    assert sum(moved) < 1000 * 2 * np.log2(1000)
    assert added(iter([]), add) is None
