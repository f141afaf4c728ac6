"""Does memory matter: truths planted in weights and in tasks, and ablations by hand."""

import keras
import numpy as np
import pandas as pd
import pytest
from keras import layers as kl

from forecast import Model, Schema, Training, Window, build, gates, report
from forecast.data import features, windows
from forecast.data import windows as windows_of
from forecast.errors import InputError
from forecast.evaluation import experiment
from forecast.evaluation.preparation import Prepared
from forecast.gates import study as gates_study
from forecast.gates.ablation import inverse, lengths
from forecast.gates.study import in_time, study

RNG = np.random.default_rng(5)
TIMESTEPS = 48


def reader(lag, timesteps=TIMESTEPS):
    """A network whose only weight reads the step `lag` steps before the newest."""
    model = keras.Sequential([keras.Input((timesteps, 1)), kl.Flatten(), kl.Dense(1)])
    kernel = np.zeros((timesteps, 1))
    kernel[timesteps - 1 - lag] = 1
    model.layers[-1].set_weights([kernel, np.zeros(1)])
    return model


@pytest.mark.parametrize("lag", [0, 1, 7, 8, 31, 32, 40, 47])
def test_the_look_back_that_is_used_is_found_exactly(lag):
    windows = RNG.normal(size=(64, TIMESTEPS, 1))
    true = windows[:, TIMESTEPS - 1 - lag] + 0.1 * RNG.normal(size=(64, 1))
    found = gates.memory(reader(lag), windows, lambda out: float(np.abs(out - true).mean()))
    assert found.used == lag + 1
    # one forecast, at the newest step, of a network without recurrence
    assert found.whole == pytest.approx(0.1 * np.sqrt(2 / np.pi), rel=0.3)
    assert found.without_recurrence is None and found.frozen == {}
    assert set(lengths(TIMESTEPS)) <= set(found.curve)


@pytest.mark.parametrize("lasting", [(), (1,)])
def test_columns_that_are_no_past_stay_real_at_all_steps(lasting):
    windows = RNG.normal(size=(64, 8, 2))
    model = keras.Sequential([keras.Input((8, 2)), kl.Flatten(), kl.Dense(1)])
    kernel = np.zeros((16, 1))
    kernel[2 * 3 + 1] = 1  # the second column, four steps before the newest
    model.layers[-1].set_weights([kernel, np.zeros(1)])
    true = windows[:, 3, 1:] + 0.1 * RNG.normal(size=(64, 1))

    def error(out):
        return float(np.abs(out - true).mean())

    assert gates.memory(model, windows, error, lasting=lasting).used == (1 if lasting else 5)


def test_a_curve_by_hand():
    windows = RNG.normal(size=(5, 4, 2))
    kernel = RNG.normal(size=(8, 1))
    model = keras.Sequential([keras.Input((4, 2)), kl.Flatten(), kl.Dense(1, use_bias=False)])
    model.set_weights([kernel])
    seen = []
    found = gates.memory(model, windows, lambda out: seen.append(out) or float(len(seen)), seed=3)
    order = np.random.default_rng(3).permutation(5)
    other = {int(order[n]): int(order[n - 1]) for n in range(5)}
    for newest, outputs in zip((1, 2, 4), seen, strict=False):
        for sample in range(5):
            mixed = np.concatenate(
                [windows[other[sample], : 4 - newest], windows[sample, 4 - newest :]]
            )
            assert outputs[sample] == pytest.approx(mixed.ravel() @ kernel, abs=1e-5)
    assert sorted(found.curve) == [1, 2, 4]


def recurrent(kind, **options):
    """A network with wide weights, and windows for it."""
    keras.utils.set_random_seed(4)
    model = keras.Sequential(
        [keras.Input((7, 2)), kind(3, name="layer", **options), kl.Dense(1, name="head")]
    )
    model.set_weights([RNG.normal(scale=0.8, size=a.shape) for a in model.get_weights()])
    return model, RNG.normal(size=(6, 7, 2)).astype(np.float32)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def lstm_by_hand(layer, x, *, frozen=None, recurrence=1.0):
    """The equations of the paper; `frozen` is (gate, value of each unit)."""
    parts = gates.split(layer)
    hidden = cell = np.zeros((len(x), 3))
    for step in range(x.shape[1]):
        new = {}
        for gate, arrays in parts.items():
            total = x[:, step] @ arrays["kernel"] + arrays["bias"]
            total = total + recurrence * hidden @ arrays["recurrent_kernel"]
            new[gate] = np.tanh(total) if gate == "c" else sigmoid(total)
        if frozen:
            new[frozen[0]] = frozen[1]
        cell = new["f"] * cell + new["i"] * new["c"]
        hidden = new["o"] * np.tanh(cell)
    return hidden


def gru_by_hand(layer, x, *, frozen=None, recurrence=1.0):
    parts = gates.split(layer)
    hidden = np.zeros((len(x), 3))
    for step in range(x.shape[1]):
        into = {g: x[:, step] @ a["kernel"] + a["bias"] for g, a in parts.items()}
        back = {
            g: recurrence * hidden @ a["recurrent_kernel"] + a["recurrent_bias"]
            for g, a in parts.items()
        }
        new = {g: sigmoid(into[g] + back[g]) for g in "zr"}
        if frozen and frozen[0] in "zr":
            new[frozen[0]] = frozen[1]
        new["h"] = np.tanh(into["h"] + new["r"] * back["h"])
        if frozen and frozen[0] == "h":
            new["h"] = frozen[1]
        hidden = new["z"] * hidden + (1 - new["z"]) * new["h"]
    return hidden


@pytest.mark.parametrize(("kind", "by_hand"), [(kl.LSTM, lstm_by_hand), (kl.GRU, gru_by_hand)])
def test_what_is_taken_away_by_hand(kind, by_hand):
    model, x = recurrent(kind)
    before = model.get_weights()
    layer, head = model.get_layer("layer"), model.get_layer("head").get_weights()
    traced = gates.trace(model, x)

    def total_of(outputs):
        return 100 + float(outputs.astype(np.float64).sum())

    def total(hidden):
        return total_of(hidden @ head[0] + head[1])

    found = gates.memory(model, x, total_of, traced=traced)

    assert found.whole == pytest.approx(total(by_hand(layer, x)), abs=1e-4)
    assert found.without_recurrence == pytest.approx(
        total(by_hand(layer, x, recurrence=0.0)), abs=1e-4
    )
    assert set(found.frozen) == {f"layer/{gate}" for gate in gates.split(layer)}
    for name, error in found.frozen.items():
        gate = name.split("/")[1]
        mean = traced["layer"][gate].mean(axis=(0, 1))
        assert error == pytest.approx(total(by_hand(layer, x, frozen=(gate, mean))), abs=1e-3)
    for now, then in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(now, then)


def test_gates_that_cannot_be_frozen_are_left_out():
    model, x = recurrent(kl.LSTM, use_bias=False)
    found = gates.memory(model, x, lambda out: float(abs(out).sum()), traced=gates.trace(model, x))
    assert found.frozen == {}
    bias = inverse(keras.activations.relu, np.array([0.0, 2.0]))
    assert np.maximum(bias, 0) == pytest.approx([0, 2], abs=1e-3)


def echo(recurrence, x):
    """A network whose state is its input plus a share of the state before."""
    model = keras.Sequential([keras.Input(x.shape[1:]), kl.SimpleRNN(1, activation="linear")])
    model.set_weights([np.ones((1, 1)), np.full((1, 1), recurrence), np.zeros(1)])
    return model


@pytest.mark.parametrize(
    ("network", "task", "verdict"),
    [(0.3, 0.0, "hurts"), (0.3, 0.3, "used"), (1e-4, 0.0, "unused")],
)
def test_a_recurrence_helps_or_does_nothing_or_hurts(network, task, verdict):
    """Planted: the target holds a share of the step before, or not; the state always does."""
    rng = np.random.default_rng(8)
    x = rng.normal(size=(300, 6, 1))
    true = x[:, -1] + task * x[:, -2] + 0.5 * rng.normal(size=(300, 1))

    def errors(outputs):
        return np.abs(outputs - true)[:, 0]

    sample = gates.Sample(np.arange(300), 3)
    found = gates.memory(echo(network, x), x, errors, sample=sample)
    assert found.changes()["recurrence"].verdict == verdict
    alerts = {alert.kind: alert.text for alert in gates.alerts({}, found)}
    low, high = found.intervals["recurrence"]
    plain = np.abs(x[:, -1] - true).mean()  # the recurrence at zero
    assert found.without_recurrence == pytest.approx(plain, rel=1e-5)
    share = plain / found.whole - 1
    assert low < share < high
    if verdict == "hurts":
        assert "recurrence_unused" not in alerts
        assert alerts["recurrence_hurts"] == (
            f"the recurrence hurts: MAE −{-100 * share:.1f} % (−{-100 * low:.1f} to "
            f"−{-100 * high:.1f} %) without it"
        )
    else:
        assert ("recurrence_unused" in alerts) == (verdict == "unused")
        assert "recurrence_hurts" not in alerts
    assert (verdict == "used") == (found.used > 1)
    again = gates.memory(echo(network, x), x, errors, sample=sample)
    assert again == found  # seeded


def test_one_number_for_all_windows_has_no_interval():
    x = RNG.normal(size=(30, 6, 1))
    found = gates.memory(echo(0.3, x), x, lambda out: float(np.abs(out - x[:, -1]).mean()))
    assert found.intervals == {}
    (alert,) = [a for a in gates.alerts({}, found) if a.kind == "recurrence_hurts"]
    assert alert.text.startswith("the recurrence seems to hurt: MAE −100.0 % without")
    with pytest.raises(
        InputError, match=r"^error: .* for each of 30 windows, received shape \(2,\)"
    ):
        gates.memory(echo(0.3, x), x, lambda out: np.zeros(2))


class Own(keras.Model):
    """A subclassed model, of which Keras cannot make a second one."""

    def __init__(self):
        super().__init__()
        self.reader, self.head = kl.LSTM(3, name="layer"), kl.Dense(1)

    def call(self, inputs):
        return self.head(self.reader(inputs))


def test_a_subclassed_model_is_measured_as_its_equal_and_left_as_it_is():
    plain, x = recurrent(kl.LSTM)
    own = Own()
    own(x)
    own.set_weights(plain.get_weights())

    def errors(outputs):
        return np.abs(outputs).sum(axis=1)

    ours = gates.memory(own, x, errors, traced=gates.trace(own, x))
    theirs = gates.memory(plain, x, errors, traced=gates.trace(plain, x))
    assert ours.curve == pytest.approx(theirs.curve, rel=1e-5)
    assert ours.without_recurrence == pytest.approx(theirs.without_recurrence, rel=1e-5)
    assert ours.frozen == pytest.approx(theirs.frozen, rel=1e-5) and len(ours.frozen) == 4
    for now, then in zip(own.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_array_equal(now, then)
    assert gates.memory(Own(), x, errors).whole > 0  # one that was never called


def test_windows_of_several_inputs_are_refused():
    x = np.zeros((4, TIMESTEPS, 1))
    with pytest.raises(InputError, match=r"^windows: must be one array .* received list"):
        gates.memory(reader(0), [x, x], lambda out: 0.0)


def clocked(rows=300):
    """A table whose target is the newest input plus the hour of five steps before."""
    time = pd.date_range("2024-01-01", periods=rows, freq="h")
    x = RNG.normal(size=rows)
    hour = np.sin(2 * np.pi * (time.hour.to_numpy() - 6) / 24)
    frame = pd.DataFrame({"time": time, "x": x, "y": np.roll(x, 1) + hour})
    return build(frame, Schema("time", ("y",), ("x",), calendar=("hour",)))


def test_the_clock_is_no_memory():
    """A network that reads the hour of an old step and the newest input remembers nothing."""
    table, window = clocked(), Window(8, 1)
    starts = windows.starts(table, window)[8::5]
    seen = windows.inputs(features.append_known_future(table.inputs, table, window), starts, window)
    true = windows.outputs(table.outputs, starts, window)[:, 0]
    model = keras.Sequential([keras.Input(seen.shape[1:]), kl.Flatten(), kl.Dense(1)])
    kernel = np.zeros(seen.shape[1:])
    kernel[-1, table.features.index("x")] = kernel[-6, table.features.index("hour_sin")] = 1
    model.set_weights([kernel.reshape(-1, 1), np.zeros(1)])

    def errors(outputs):
        return np.abs(outputs - true)[:, 0] + 0.1

    found = gates.memory(model, seen, errors, lasting=features.lasting(table, window))
    assert found.whole == pytest.approx(0.1, abs=1e-5)
    assert found.used == 1 and "the newest step alone is enough" in found.advice()
    assert gates.memory(model, seen, errors).used == 6  # were the hours those of another window


def test_windows_are_resampled_by_origin_over_all_series():
    table = build(
        pd.concat(
            pd.DataFrame({"s": s, "t": pd.date_range("2024", periods=40, freq="h"), "y": 1.0 * n})
            for n, s in enumerate("ab")
        ).assign(y=lambda frame: RNG.normal(size=len(frame))),
        Schema("t", ("y",), ("y",), series=("s",)),
    )
    window = Window(3, 2, lead=1)
    starts = windows.starts(table, window)
    sample = in_time(table, window, starts, np.full(len(starts), 2))
    origins, counts = np.unique(sample.origins, return_counts=True)
    assert (counts == 2).all() and len(origins) == 40 - 5
    assert sample.length == 3  # of 35 origins a tenth, and never less than lead and horizon


def test_one_window_has_no_other():
    with pytest.raises(InputError, match=r"^windows: must be two or more, received 1"):
        gates.memory(reader(0), np.zeros((1, TIMESTEPS, 1)), lambda out: 0.0)


def test_a_memory_survives_the_tracker():
    found = gates.Memory({1: 3.0, 2: 2.0, 4: 1.9}, 2.5, {"body.lstm_1/f": 2.2, "gru_1/z": 2.0})
    series = found.series()
    assert series["memory/mae"] == {1: 3.0, 2: 2.0, 4: 1.9}
    assert series["memory/look_back_used"] == {0: 4.0}
    assert gates.Memory.from_series(series) == found
    assert gates.Memory.from_series({}) is None


@pytest.mark.parametrize("measure", ["mae", "brier"])
def test_intervals_survive_the_tracker_under_their_keys(measure):
    intervals = {1: (0.4, 0.6), 2: (-0.01, 0.02), "recurrence": (0.2, 0.3)}
    intervals["body.lstm_1/f"] = (-0.2, -0.1)
    found = gates.Memory(
        {1: 3.0, 2: 2.0, 4: 2.0}, 2.5, {"body.lstm_1/f": 1.7}, 0.01, intervals, measure
    )
    series = found.series()
    assert gates.Memory.from_series(series) == found
    assert series.pop(f"memory/{measure}") == {1: 3.0, 2: 2.0, 4: 2.0}
    assert series.pop("memory/change_low") == {1: 0.4, 2: -0.01}
    assert series.pop("memory/change_high") == {1: 0.6, 2: 0.02}
    assert {key: value[0] for key, value in series.items()} == {
        "memory/look_back_used": 2.0,
        f"memory/{measure}_without_recurrence": 2.5,
        f"memory/{measure}_frozen_body.lstm_1.f": 1.7,
        "memory/change_without_recurrence_low": 0.2,
        "memory/change_without_recurrence_high": 0.3,
        "memory/change_frozen_body.lstm_1.f_low": -0.2,
        "memory/change_frozen_body.lstm_1.f_high": -0.1,
    }
    name = {"mae": "validation MAE", "brier": "validation Brier score"}[measure]
    said = [found.advice(), *(alert.text for alert in gates.alerts({}, found))]
    assert name in said[0] and all(found.name in text for text in said)


@pytest.mark.parametrize(
    ("curve", "words"),
    [
        ({1: 2.01, 2: 2.0, 8: 2.0}, "the newest step alone is enough: validation MAE +0.5 %;"),
        ({1: 3.0, 2: 2.01, 8: 2.0}, "the newest 2 steps are enough: validation MAE +0.5 %;"),
        ({1: 3.0, 4: 2.5, 5: 2.2, 6: 2.0, 8: 2.0}, "no look-back below 6 steps comes within"),
        ({1: 3.0, 4: 2.5, 7: 2.03, 8: 2.0}, "no look-back below 8 steps comes within 1 % of the"),
        ({1: 3.0, 4: 1.9, 8: 2.0}, "better with the newest 4 steps alone: validation MAE −5.0 %"),
        ({1: 2.0}, "the window is one step long"),
    ],
)
def test_advice_says_what_was_measured(curve, words):
    advice = gates.Memory(curve, None, {}).advice()
    assert words in advice
    used = gates.Memory(curve, None, {}).used
    if 8 in curve and used > 4:
        fewer = max(k for k in curve if k < used)
        assert advice.endswith(f"with {fewer} it is +{100 * (curve[fewer] / 2 - 1):.1f} %")


def experiment_on(inputs, target, *, model="lstm", **settings):
    """Train on a task and study the memory of what comes out."""
    frame = pd.DataFrame({"x": inputs, "y": target})
    frame["time"] = pd.date_range("2024-01-01", periods=len(frame), freq="h")
    features = ("x",) if settings.pop("apart", True) else ("y",)
    table = build(frame, Schema("time", ("y",), features))
    training = Training(
        epochs=8, batch_size=32, learning_rate=0.01, weight_decay=None, patience=None
    )
    spec = experiment.Spec(Model(model, **settings), Window(TIMESTEPS, 1), training)
    outcome = experiment.run(spec, table)
    return outcome, study(
        Prepared(spec, table, outcome.cuts), outcome.forecaster, {}, gates.Limits(), 256
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "settings"),
    [("lstm", {"units": [4], "recurrent_dropout": 0.0}), ("causal_cnn", {"filters": 4})],
)
def test_a_task_that_needs_the_input_forty_steps_back(model, settings):
    rng = np.random.default_rng(1)
    x = rng.normal(size=2000)
    y = np.roll(x, 41) + 0.3 * rng.normal(size=2000)
    outcome, found = experiment_on(x, y, model=model, **settings)
    # predicted is the row behind the window: y there is x forty steps before the newest
    assert outcome.scores["test/mae"] < 0.4
    assert found.memory.used == 41
    assert "no look-back below 41 steps" in found.memory.advice()
    assert not [alert for alert in found.alerts if alert.kind == "memory_unused"]


@pytest.mark.slow
def test_events_are_measured_by_their_brier_score():
    rng = np.random.default_rng(4)
    x = rng.normal(size=800)
    frame = pd.DataFrame({"x": x, "y": np.roll(x, 1)})
    frame["time"] = pd.date_range("2024-01-01", periods=800, freq="h")
    table = build(frame, Schema("time", ("y",), ("x",), events={"y": 0.5}))
    training = Training(epochs=2, batch_size=32, patience=None)
    spec = experiment.Spec(Model("lstm", units=[3]), Window(8, 1), training)
    outcome = experiment.run(spec, table)
    found = study(Prepared(spec, table, outcome.cuts), outcome.forecaster, {}, gates.Limits(), 128)
    assert found.memory.measure == "brier" and "memory/mae" not in found.memory.series()
    assert found.memory.intervals and "Brier score" in found.memory.advice()
    assert found.memory.whole == pytest.approx(
        outcome.forecaster.history_["val_brier"][outcome.forecaster.best_epoch_ - 1], rel=0.15
    )
    drawn = report.memory_curve(found.memory)
    assert drawn.axes[0].get_ylabel().startswith("validation Brier score")


@pytest.mark.slow
def test_a_task_that_needs_the_last_value_only():
    walk = np.cumsum(np.random.default_rng(2).normal(size=2000))
    _, found = experiment_on(walk, walk, apart=False, units=[4], recurrent_dropout=0.0)
    assert found.memory.used == 1
    assert "memory_unused" in {alert.kind for alert in found.alerts}


def test_errors_of_wide_forecasts_are_taken_a_few_windows_at_once(monkeypatch):
    rng = np.random.default_rng(6)
    values = rng.normal(size=(400, 3))
    frame = pd.DataFrame(values, columns=["a", "b", "c"])
    frame["time"] = pd.date_range("2024-01-01", periods=400, freq="h")
    table = build(frame, Schema("time", ("a", "b", "c"), ("a", "b", "c")))
    training = Training(epochs=1, batch_size=32, patience=None)
    model = Model("linear", normalization="none")
    prepared = experiment.prepare(experiment.Spec(model, Window(8, 4), training), table)
    fitted = experiment.fit(prepared)
    sizes = []
    cut = windows_of.outputs

    def watched(*args):
        sizes.append(cut(*args).size)
        return cut(*args)

    monkeypatch.setattr(windows_of, "outputs", watched)
    whole = study(prepared, fitted, {}, gates.Limits(), 256).memory
    assert max(sizes) > 10 * 12
    monkeypatch.setattr(gates_study, "VALUES", 60)
    sizes.clear()
    found = study(prepared, fitted, {}, gates.Limits(), 256).memory
    assert max(sizes) == 60 and found == whole
    starts = gates_study.spread(prepared.validation, 256)
    said = fitted.predict_windows(table, starts)
    true = windows_of.outputs(table.outputs, starts, Window(8, 4))
    assert found.whole == pytest.approx(np.abs(true - said).mean())
