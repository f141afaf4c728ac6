"""`forecast compare`: runs beside each other, trained or written by hand."""

import re
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from forecast.errors import InputError
from forecast.evaluation.significance.aligned import common
from forecast.evaluation.significance.pairs import diebold_mariano
from forecast.metrics.headline import HEADLINES
from forecast.tracking.mlflow.direct import DirectRun
from forecast.tracking.mlflow.store import Store
from forecast.tracking.run import ending

from ..conftest import Place, columns

MAE, BRIER = HEADLINES["regression"], HEADLINES["event"]


def said(noise=1.0, *, origins=range(60), series="abcdefg", horizon=4, seed=0, shift=0.0):
    """What a run said of some series: the truth is a number for each series and hour."""
    grid = [(s, o, h) for s in series for o in origins for h in range(1, horizon + 1)]
    name, origin, step = (np.array(part) for part in zip(*grid, strict=True))
    begin = pd.Timestamp("2024-01-01")
    frame = pd.DataFrame(
        {
            "series": name,
            "origin": begin + pd.to_timedelta(origin, "h"),
            "time": begin + pd.to_timedelta(origin + step, "h"),
            "step": step,
            "target": "load",
        }
    )
    true = np.sin(origin + step) + [ord(one) - 97 for one in name] + shift
    rng = np.random.default_rng(seed)
    return frame.assign(forecast=true + rng.normal(0, noise, len(true)), true=true)


@pytest.fixture(scope="module")
def keep(place: Place):
    """Write a run by hand and return its id."""
    store = Store(place.uri, "by hand")

    def write(frame=None, kind="train", metrics=None, **params):
        with ending(DirectRun.create(store, f"{kind} by hand", kind=kind)) as run:
            run.params(params)
            run.metrics(metrics or {"test/mae": 1.0})
            if frame is not None:
                run.keep(frame, "predictions.parquet")
        return run.id

    return write


def errors(frames):
    """Mean absolute error of values that all frames hold, by a dict and a loop."""
    key = ["series", "origin", "time", "target"]
    each = [
        {tuple(row[:4]): abs(row[4] - row[5]) for row in frame[[*key, "forecast", "true"]].values}
        for frame in frames
    ]
    shared = set.intersection(*(set(one) for one in each))
    return [np.mean([one[value] for value in shared]) for one in each], shared


def test_only_what_all_runs_forecast_counts():
    frames = [
        said(0.5, origins=range(10, 60), seed=1),
        said(0.6, origins=range(50), horizon=6, seed=2),
        said(0.7, series="gfedc", seed=3).sample(frac=1, random_state=0),
    ]
    frames[1].loc[frames[1].index[300:303], "true"] = np.nan
    found = common(frames, MAE)
    expected, shared = errors([frame.dropna() for frame in frames])
    np.testing.assert_allclose(found.error, expected)
    assert found.values == len(shared) and found.windows == 5 * 40


def test_the_verdict_is_that_of_losses_averaged_by_origin():
    a, b = said(0.5, seed=1), said(0.6, seed=2)
    gaps = np.delete(np.arange(60), [20, 21])
    b = b[~b.origin.isin(b.origin.unique()[[20, 21]])]
    losses = [
        (frame.forecast - frame.true).abs().groupby(frame.origin).mean()[b.origin.unique()]
        for frame in (a, b)
    ]
    expected = diebold_mariano(*(one.to_numpy() for one in losses), 4, position=gaps)
    found = common([a, b], MAE).verdict(0, 1)
    assert (found.statistic, found.p) == pytest.approx((expected.statistic, expected.p))
    assert found.origins == 58


def test_rows_without_a_clock():
    frames = [said(noise) for noise in (0.5, 0.6)]
    plain = [
        frame.assign(
            **{
                key: ((frame[key] - pd.Timestamp("2024-01-01")) / pd.Timedelta("1h")).astype(int)
                for key in ("origin", "time")
            }
        )
        for frame in frames
    ]
    assert common(plain, MAE).verdict(1, 0) == common(frames, MAE).verdict(1, 0)


def test_probabilities_are_compared_by_brier_score():
    frames = [said(0.1, seed=1), said(0.2, seed=2)]
    expected = [((frame.forecast - frame.true) ** 2).mean() for frame in frames]
    np.testing.assert_allclose(common(frames, BRIER).error, expected)


@pytest.mark.parametrize(
    ("other", "sentence"),
    [
        (said().assign(target="temp"), r"same targets, got \['load'\] and \['temp'\]"),
        (said(origins=range(100, 120)), "must share origins .* got none in common .*2024-01-05"),
        (said(series="xyz"), "must share origins of the same series"),
        (said(shift=32), "same actual values, got 0.84.* and 32.8.* for load of a at"),
    ],
    ids=["targets", "span", "series", "unit"],
)
def test_what_is_no_common_question(other, sentence):
    with pytest.raises(InputError, match=sentence):
        common([said(), other], MAE)


def test_two_trained_runs(place: Place, client, lstm_run: str, cnn_run: str):
    assert place.run("compare", f"runs=[{lstm_run},{cnn_run}]") == 0, place.errors[-1]
    printed = place.printed[-1]
    own = client.get_run(cnn_run).data.tags["forecast.local_id"]  # as `forecast runs` lists it
    assert place.run("compare", f"runs=[{lstm_run},{own}]") == 0, place.errors[-1]
    assert place.printed[-1] == printed
    assert place.run("compare", f"runs=[{own},{cnn_run}]") == 2
    assert f"runs must name each run once, got {cnn_run} twice" in place.errors[-1]
    assert columns(printed) <= 80 and place.errors[-3] == ""
    assert re.search(rf"^run A +{lstm_run}  lstm-4", printed, re.M)
    assert "41 origins from 2024-03-08" in " ".join(printed.split())
    assert re.search(r"^model +lstm +causal_cnn$", printed, re.M)
    assert re.search(r"^model.units +\[4\] +–$", printed, re.M)
    assert "data.path" not in printed and "training.epochs" not in printed
    for name, run in (("A lstm", lstm_run), ("B causal_cnn", cnn_run)):
        mae = client.get_run(run).data.metrics["test/mae"]
        assert re.search(rf"^{name} +{mae:.4g} ", printed, re.M)


def test_a_run_beside_a_baseline_says_what_training_said(place: Place, client, lstm_run: str):
    where = [client.get_run(lstm_run).info.experiment_id]
    found = client.search_runs(
        where, "tags.`forecast.kind` = 'baseline'", order_by=["attributes.start_time"]
    )
    naive, *_ = [run.info.run_id for run in found if run.data.params["model"] == "persistence"]
    # a comma alone does, as `make compare RUNS=A,B` has it
    assert place.run("compare", f"runs={naive},{lstm_run}") == 0, place.errors[-1]
    metrics = client.get_run(lstm_run).data.metrics
    row = re.search(r"^B lstm .*$", place.printed[-1], re.M)[0]
    p = metrics["dm/persistence_p"]
    assert f"{metrics['skill/persistence']:+.1%}" in row
    assert row.endswith("p < 0.001" if p < 0.001 else f"p = {p:.2g}")
    assert "training." not in place.printed[-1]  # of which a baseline has none


def test_three_runs_of_several_series_are_ranked(place: Place, keep):
    first = said(0.2, seed=1)
    # of a version that kept quantiles and no loss of each value
    first = first.assign(**{"q0.1": first.forecast - 1, "q0.9": first.forecast + 1})
    common_params = {"window.timesteps": 8, "training.epochs": 2}
    ids = [
        keep(first, model="lstm", **common_params),
        keep(said(0.21, seed=2), model="gru", **common_params | {"training.epochs": 3}),
        keep(said(2.0, seed=3), model="mlp", **common_params),
    ]
    assert place.run("compare", f"runs=[{','.join(ids)}]", "output=ranks.png") == 0
    printed = place.printed[-1]
    assert (place.folder / "ranks.png").stat().st_size > 5_000
    text = " ".join(printed.split())
    assert "average over 7 series" in text and "C mlp 3.00" in text
    assert re.search(r"ranks too close to tell apart: (A lstm, B gru|B gru, A lstm)", text)
    assert re.search(r"^training.epochs +2 +3 +2$", printed, re.M)
    assert "window.timesteps" not in printed
    assert re.search(r"^C mlp .* worse, p < 0.001$", printed, re.M) and "CRPS" not in printed
    assert columns(printed) <= 80
    page = (place.folder / "ranks.html").read_text("utf-8")  # beside the picture
    assert "Average ranks over 7 series" in page and "corrected for 2 comparisons (Holm)" in page
    assert "2 comparisons (Holm)" in text


def test_p_values_of_a_table_are_corrected_for_its_comparisons(place: Place, keep):
    """By hand: the smaller of two is doubled, and the larger as large as that at least."""
    frames = [said(0.5, seed=1), said(0.535, seed=2), said(0.54, seed=3)]
    frames = [loss(frame) for frame in frames]
    ids = [keep(frame, model=f"m{n}") for n, frame in enumerate(frames)]
    shared = common(frames, MAE)
    small, large = sorted((shared.verdict(n, 0) for n in (1, 2)), key=lambda one: one.p)
    assert 0.001 < small.p < 0.2
    assert place.run("compare", f"runs=[{','.join(ids)}]") == 0, place.errors[-1]
    text = place.printed[-1]
    table = text[text.index("On the common origins") : text.index("CRPS, against A")]
    for p in (2 * small.p, max(2 * small.p, large.p)):
        assert f"p = {p:.2g}" in table


def test_any_number_of_runs_is_compared(place: Place, keep):
    frame = said(0.5, series="a", origins=range(20))
    ids = [keep(frame.assign(forecast=frame.forecast + n), model=f"m{n}") for n in range(30)]
    assert place.run("compare", f"runs=[{','.join(ids)}]", "output=many.html") == 0, place.errors
    assert re.search(rf"^run AD +{ids[29]}", place.printed[-1], re.M)  # after Z: AA, AB, AC
    assert columns(place.printed[-1]) <= 80
    page = (place.folder / "many.html").read_text("utf-8")
    assert all(run_id in page for run_id in ids)


def loss(frame, of=0.7, absent=()):
    """A frame with the CRPS of each value, none of those of some origins."""
    crps = of * (frame.forecast - frame.true).abs()
    late = frame.origin.isin(frame.origin.unique()[np.array(absent, int)])
    return frame.assign(crps=crps.where(~late))


def test_crps_is_that_of_the_values_that_all_have():
    frames = [loss(said(0.5, seed=1)), loss(said(0.6, seed=2), 0.5, range(9)), said(0.4, seed=3)]
    frames[0] = frames[0].sample(frac=1, random_state=0)
    found = common(frames, MAE)
    own = [frame[~frame.origin.isin(said().origin.unique()[:9])] for frame in frames[:2]]
    np.testing.assert_allclose(found.crps[:2], [one.crps.mean() for one in own])
    assert np.isnan(found.crps[2]) and found.crps_verdict(2, 0) is None
    losses = [one.groupby("origin").crps.mean().to_numpy() for one in own]
    expected = diebold_mariano(losses[1], losses[0], 4)
    verdict = found.crps_verdict(1, 0)
    assert (verdict.statistic, verdict.p) == pytest.approx((expected.statistic, expected.p))
    assert verdict.origins == 51


def test_crps_and_its_verdict_are_printed_for_runs_that_have_it(place: Place, keep):
    frames = [loss(said(0.3, seed=1)), loss(said(0.6, seed=2)), said(0.4, seed=3)]
    names = ("lstm", "gru", "mlp")
    ids = [keep(frame, model=name) for frame, name in zip(frames, names, strict=True)]
    assert place.run("compare", f"runs=[{','.join(ids)}]", "output=r.png") == 0, place.errors[-1]
    printed = place.printed[-1]
    table = printed[printed.index("CRPS, against A") :].splitlines()
    crps = [frame.crps.mean() for frame in frames[:2]]
    assert table[1].split() == ["CRPS", "skill", "verdict"]
    assert table[2].split() == ["A", "lstm", f"{crps[0]:.4g}"]
    skill = f"{1 - crps[1] / crps[0]:+.1%}"
    assert table[3].split() == ["B", "gru", f"{crps[1]:.4g}", skill, *"worse, p < 0.001".split()]
    assert table[4].split() == ["C", "mlp"]


def test_two_runs_of_many_series(place: Place, keep):
    ids = [keep(said(noise, seed=4), model="lstm") for noise in (1.0, 0.2)]
    assert place.run("compare", f"runs=[{','.join(ids)}]") == 0
    text = " ".join(place.printed[-1].split())
    # seven signs of seven: 2 of 128
    assert "Holm" not in text  # of one comparison
    assert (
        "7 of them, each counted once, show lower errors for B (Wilcoxon test, p = 0.016)" in text
    )
    assert "differs no param" in text


def test_what_cannot_be_compared(place: Place, keep):
    whole, empty = keep(said(), model="lstm"), keep(None, kind="baseline", model="ridge")
    events = keep(said(), model="lstm", metrics={"test/brier": 0.1})
    wrong = {
        whole: "runs must name 2 or more runs, got 1",
        f"{whole},{whole}": "runs must name each run once",
        f"{whole},12e4567": "runs must be ids of runs, got '12e4567'",
        f"{whole},{empty}": f"runs must hold predictions.parquet, got '{empty}' of kind baseline",
        f"{whole},{events}": "runs must all predict values or all probabilities",
    }
    for words, message in wrong.items():
        assert place.run("compare", *([f"runs=[{words}]"] if words else [])) == 2
        assert message in place.errors[-1] and place.errors[-1].count("\n") == 1


@pytest.mark.processes
def test_it_needs_no_tensorflow():
    script = (
        "import sys, forecast.cli.commands.compare, forecast.cli.commands.promote; "
        "print({'keras', 'tensorflow'} & {*sys.modules})"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "set()"
