"""Leaks are planted one by one, and the proof that holds without them names each."""

import inspect

import numpy as np
import pandas as pd
import pytest

from forecast.data import features, panel, samples, scale, windows
from forecast.data.split import Holdout, holdout
from forecast.data.table import Table
from forecast.errors import InputError
from forecast.evaluation import experiment, leak_proof, scales
from forecast.evaluation.baselines import regression, rules, trees
from forecast.evaluation.baselines.rules import Ticks
from forecast.evaluation.leakage import perturb
from forecast.evaluation.leakage.perturb import Raw
from forecast.training import fit, predict
from forecast.training.forecaster import Forecaster

from .leaks import WINDOW, case, frame, schema, spec

RAW, TABLE = case()
SPEC = spec(normalization="none")
CUTS = holdout(TABLE, SPEC.validation, SPEC.test)
NAMES = ["rows", "columns", "windows", "scale", "inputs", "baselines", "mase", "stopping"]
FORECASTERS = ["linear", "persistence", "seasonal_naive", "boosted_trees", "ridge"]


class Constant(Forecaster):
    """Stands for a fitted network where the network is not what is proved, for speed."""

    model_ = None

    def predict_quantiles(self, table, starts):
        return np.zeros((len(starts), WINDOW.horizon, len(table.targets), 1))


CONSTANT = Constant(SPEC.model, WINDOW, SPEC.training)


def prove(**changes):
    given = {"forecaster": CONSTANT, "table": TABLE, "cuts": CUTS, "origins": 4}
    return leak_proof(**{**given, **changes})


def found(proof):
    """Each check that failed, with what it names."""
    return {check.name: check.offender for check in proof.checks if not check.held}


def test_without_a_leak_it_holds_and_says_what_was_done():
    proof = prove(raw=RAW, forecaster=SPEC, cuts=None)
    assert proof.holds and proof.level == "data"
    assert [check.name for check in proof.checks] == NAMES + FORECASTERS
    train = str(CUTS.validation)[:10]
    assert all(check.compared and not check.offender for check in proof.checks)
    assert train in next(check.perturbed for check in proof.checks if check.name == "scale")
    assert str(proof).startswith("nothing after a cut moves what lies before it: rows, columns")


def test_a_scaler_of_all_rows(monkeypatch):
    def fit_on_all(table, per="series"):
        return scale.fit(inspect.currentframe().f_back.f_locals["table"], per)

    monkeypatch.setattr(samples, "scale", type("Leaky", (), {"fit": staticmethod(fit_on_all)}))
    told = found(prove())
    assert told["scale"] == "the scale, mean of input 'load' in s0"
    assert told["inputs"].startswith("input 'load' of s0 at 2024-01-01")


def test_a_fitted_forecaster_whose_scaler_has_seen_all_rows():
    fitted = Constant(SPEC.model, WINDOW, SPEC.training)
    fitted.scaler_ = scale.fit(TABLE)
    assert set(found(prove(forecaster=fitted))) == {"scale"}
    honest = experiment.learnable(TABLE, CUTS)
    fitted.scaler_ = samples.training_set(TABLE, WINDOW, *honest).scaler
    assert prove(forecaster=fitted).holds


def test_a_shuffled_split(monkeypatch):
    chosen = np.random.default_rng(0).random(len(TABLE)) < 0.03
    monkeypatch.setattr(Holdout, "learned_rows", lambda self, table: ~chosen)
    scored = windows.starts(TABLE, WINDOW, within=TABLE.time >= CUTS.test)
    told = found(prove(scored=scored))
    assert told["windows"].startswith("a training window of s0 at ")
    assert "reaches into another span" in told["windows"] and "inputs" in told


def centred(raw, meaning):
    """A pipeline of somebody's own: a smooth column that looks ahead."""
    smooth = raw.groupby("site").load.transform(lambda x: x.rolling(5, 1, center=True).mean())
    return panel.build(raw.assign(smooth=smooth), meaning)


def trailing(raw, meaning):
    """The same without looking ahead."""
    smooth = raw.groupby("site").load.transform(lambda x: x.rolling(5, 1).mean())
    return panel.build(raw.assign(smooth=smooth), meaning)


def test_a_feature_that_is_made_of_later_rows():
    features = ("load", "temp", "smooth")
    raw, table = case(build=centred, features=features, circular={})
    told = found(prove(table=table, raw=raw))
    assert set(told) == {"rows"} and told["rows"].startswith("input 'smooth' of s0 at 2024-01-0")
    raw, table = case(build=trailing, features=features, circular={})
    assert prove(table=table, raw=raw).holds


def test_holes_filled_from_behind(monkeypatch):
    def backward(values, series, limit):
        return pd.DataFrame(values).groupby(series).bfill(limit=limit).to_numpy()

    monkeypatch.setattr(panel, "_hold", backward)
    raw, table = case()
    told = found(prove(table=table, raw=raw))
    assert set(told) == {"rows"} and told["rows"].startswith("input '")


def test_validation_is_test(monkeypatch):
    deal = samples.early_stopping_split

    def stop_on_test(table, window, rows, stopping):
        late = windows.starts(table, window, within=table.time >= CUTS.test)
        return deal(table, window, rows, stopping)[0], late

    monkeypatch.setattr(samples, "early_stopping_split", stop_on_test)
    told = found(prove())
    assert told["windows"].startswith("a stopping window of s0 at ")
    assert told["stopping"].startswith("other windows train or stop, first s0 at 2024-01-04")


def test_a_fold_scored_on_its_own_stopping_set():
    """As a sweep's trial is fitted: rows before the fold's cut, the newest of them to stop on."""
    rows = TABLE.time < CUTS.test
    learned = samples.training_set(TABLE, WINDOW, rows, 0.2)
    begins = TABLE.time[learned.stop + WINDOW.timesteps + WINDOW.lead].min()
    cuts = Holdout(begins, CUTS.test)
    honest = windows.starts(TABLE, WINDOW, within=~rows)
    assert prove(cuts=cuts, scored=honest).holds
    told = found(prove(cuts=cuts, scored=learned.stop))
    assert told["windows"].startswith("a scored window of s0 at ")
    assert "another span" in told["windows"]


def test_a_window_across_a_series(monkeypatch):
    monkeypatch.setattr(windows, "_unbroken", lambda table, first, length: first >= 0)
    short = TABLE.take((TABLE.series == 1) | (TABLE.time < CUTS.validation))
    told = found(prove(table=short, cuts=CUTS))
    assert "crosses into another series: s1 at 2024-01-01 00:00:00" in told["windows"]
    alone = TABLE.take((TABLE.series == 0) & ~np.isin(TABLE.tick - TABLE.tick[0], [12, 13]))
    assert "crosses absent rows: s0 at 2024-01-01 14:00:00" in found(prove(table=alone))["windows"]


def test_a_model_that_reads_the_row_behind_the_origin(monkeypatch):
    seen = features.append_known_future

    def one_ahead(values, table, window, **more):
        return np.roll(seen(values, table, window, **more), -1, axis=0)

    monkeypatch.setattr(features, "append_known_future", one_ahead)
    told = found(prove(forecaster=SPEC))
    assert {"linear", "ridge"} <= set(told) and "persistence" not in told
    assert told["linear"].startswith("the forecast of 'load', step 1, from s0 at 2024-01-0")


def test_a_baseline_that_reads_later_values(monkeypatch):
    def known(table):
        return pd.DataFrame(table.outputs).groupby(table.series).shift(-1).ffill().to_numpy()

    monkeypatch.setattr(rules, "known_targets", known)
    # a day before, the next hour is past too
    assert set(found(prove())) == {"persistence", "boosted_trees"}


def test_a_regression_that_learns_from_the_test_span(monkeypatch):
    own = regression.ridge

    def greedy(flat, train, early, held):
        return own(flat, windows.starts(flat.table, flat.window), early, held)

    monkeypatch.setattr(regression, "ridge", greedy)
    told = found(prove())
    assert told["baselines"].startswith("ridge has learned from later rows") and "ridge" in told


def test_trees_that_learn_from_the_test_span(monkeypatch):
    own = trees.learn

    def greedy(rows, past, window, learned, *, train, seasons):
        every = windows.starts(rows.table, window)
        return own(rows, past, window, np.ones_like(learned), train=every, seasons=seasons)

    monkeypatch.setattr(trees, "learn", greedy)
    told = found(prove())
    assert told["baselines"].startswith("boosted_trees has learned from later rows")
    assert set(told) == {"baselines", "boosted_trees"}


def test_trees_that_read_the_row_behind_the_origin(monkeypatch):
    own = Ticks.means

    def one_later(ticks, cells, length):
        return own(ticks, (cells + 1).clip(max=len(ticks.values) - 1), length)

    monkeypatch.setattr(Ticks, "means", one_later)
    assert set(found(prove())) == {"boosted_trees"}


def test_the_scale_of_mase_from_all_rows(monkeypatch):
    own, table = scales.Scale.of, []

    def greedy(train, scaler, season):
        return own(table[-1], scaler, season)

    first = Table.take
    monkeypatch.setattr(Table, "take", lambda self, rows: table.append(self) or first(self, rows))
    monkeypatch.setattr(scales.Scale, "of", greedy)
    told = found(prove())
    assert set(told) == {"mase"} and told["mase"].startswith("test/mase")


def test_a_copied_column_is_named():
    raw = frame()
    raw["soon"] = raw.groupby("site").load.shift(-2).ffill() * 1.8 + 32
    raw, table = case(given=raw, features=("load", "soon"), circular={})
    proof = prove(table=table, raw=raw)
    told = found(proof)["columns"]
    assert told.startswith("input 'soon' is a copy of target 'load' 2 rows later")
    assert proof.level.startswith("FAILED: columns: input 'soon'")


def test_a_training_that_stops_on_the_test_span(monkeypatch):
    """That both are equal without it is a test of every architecture, in test_leak_contract."""
    monkeypatch.setattr(
        fit.Job,
        "_validate",
        lambda job, program, loads: {"val_loss": float(job.learned.rows.outputs[-1, 0])},
    )
    proof = prove(full=True, origins=1)
    assert found(proof) == {"training": "val_loss of the training"} and proof.full


def test_one_pass_over_all_rows_is_proved_too(monkeypatch):
    for module in ("case", "proof"):
        monkeypatch.setattr(f"forecast.evaluation.leakage.{module}.BATCH", 16)
    calls, by_pass = [], predict.Predictor._by_pass

    def noted(self, *arguments):
        calls.append(arguments)
        return by_pass(self, *arguments)

    monkeypatch.setattr(predict.Predictor, "_by_pass", noted)
    monkeypatch.setattr(predict, "CHUNK", 64)
    cnn = spec("causal_cnn", normalization="none", filters=2, kernel_size=3, dilations=[1, 1])
    assert prove(forecaster=cnn, origins=1).holds and len(calls) == 2


OPTIONS = (
    {"missing": "mask"},
    {"missing": "drop", "frequency": None},
    {"known_future": ("fair", "hour"), "static": ("area",)},
    {"missing": "mask", "known_future": ("fair",), "valid": {"temp": (-2, 2)}},
    {"events": {"load": 20.0}},
    {"classes": {"load": (18.0, 21.0)}},
    {"series": (), "duplicates": "first"},
    {"transform": "log", "missing": "mask"},
    {"transform": "sqrt", "missing": "drop", "valid": {"load": (0, 60)}},
)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_every_kind_of_table_is_proved(options):
    raw, table = case(**options)
    proof = prove(table=table, raw=raw)
    assert proof.holds, proof
    names = {check.name for check in proof.checks}
    assert ("climatology" in names) == (table.task != "regression") == ("mase" not in names)


def test_what_is_perturbed_is_every_later_value_and_nothing_else():
    raw, table = case(missing="mask", known_future=("fair",), static=("area",))
    rows, rng = table.time > CUTS.test, np.random.default_rng(0)
    spared = table.time < CUTS.test + np.timedelta64(3, "h")
    wild = perturb.perturb_table(table, rows, rng, spared=spared)
    assert perturb.first(table.inputs, wild.inputs, ~rows) is None
    other = table.inputs != wild.inputs
    said = len(table.features) - table.indicators
    fair = table.features.index("fair")
    told = [c for c in range(said) if c != fair]
    assert other[np.ix_(rows, told)].all() and (table.outputs != wild.outputs)[rows].all()
    np.testing.assert_array_equal(other[:, fair], rows & ~spared)
    assert other[rows][:, said:].any(axis=0).all()
    stamps = raw.time > CUTS.test
    changed = perturb.perturb_frame(raw, stamps, rng)
    pd.testing.assert_frame_equal(changed[~stamps], raw.frame[~stamps])
    kept = ["ts", "site", "area"]
    pd.testing.assert_frame_equal(changed[kept], raw.frame[kept])
    for name in ("load", "temp", "fair", "wind"):
        assert (changed[name] != raw.frame[name])[stamps].all(), name
        assert 0 < changed[name][stamps].isna().mean() < 0.4, name


def test_labels_stay_labels():
    given = frame().assign(sky=lambda f: np.where(f.fair > 0, "clear", "rain"))
    raw = Raw(
        given, schema(features=("load", "sky"), circular={}, classes={"sky": ("clear", "rain")})
    )
    changed = perturb.perturb_frame(raw, raw.time > CUTS.test, np.random.default_rng(0))
    assert set(changed.sky.dropna()) == {"clear", "rain"} and changed.sky.isna().any()
    assert prove(table=raw.table(given, 6), raw=raw).holds


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"forecaster": "lstm"}, "forecaster must be a Forecaster, a Spec or an Outcome, got str"),
        ({"raw": Raw(frame(seed=1), schema())}, "raw must be what the table was built from"),
        ({"cuts": Holdout(CUTS.test, TABLE.time.max())}, "cuts must leave a window whose future"),
    ],
)
def test_what_cannot_be_proved_is_refused(changes, sentence):
    with pytest.raises(InputError, match=sentence):
        prove(**changes)


def test_what_is_known_ahead_may_move_a_forecast_up_to_its_last_row():
    _, table = case(known_future=("fair", "hour"), static=("area",), missing="mask")
    proof = leak_proof(Forecaster(SPEC.model, WINDOW, SPEC.training), table, origins=2)
    assert proof.holds, proof
