"""What stands out is named, with its numbers; what does not is not."""

import numpy as np
import pytest
from keras import layers as kl

from forecast import gates
from forecast.cli.console import console, say
from forecast.gates.memory import Memory

QUIET = Memory({1: 3.0, 2: 2.5, 4: 2.0}, 3.0, {"lstm_1/f": 2.1})


def metrics_of(layer, previous=None):
    """Numbers of one layer as the callback has them."""
    layer.build((None, 6, 2))
    weights = {
        f"{layer.name}/{p}/{g}": a for g, q in gates.split(layer).items() for p, a in q.items()
    }
    windows = np.random.default_rng(1).normal(size=(8, 6, 2))
    unit = gates.measure(gates.trace(layer, windows))
    return {**gates.statistics(weights, previous), **gates.activity({**weights, **unit}, 6)}


def changed(layer, gate, part, change):
    layer.build((None, 6, 2))
    parts = gates.split(layer)
    parts[gate][part] = change(parts[gate][part])
    layer.set_weights(gates.join(layer, parts))
    return layer


def kinds(found):
    return [alert.kind for alert in found]


@pytest.mark.parametrize("kind", [kl.LSTM, kl.GRU, kl.SimpleRNN])
def test_a_fresh_layer_is_quiet(kind):
    assert gates.alerts(metrics_of(kind(4, name="layer")), QUIET) == []


@pytest.mark.parametrize(
    ("bias", "effect"), [(-20, "forgets at every step"), (20, "never forgets")]
)
def test_a_saturated_forget_gate(bias, effect):
    layer = changed(kl.LSTM(4, name="lstm_1"), "f", "bias", lambda b: b * 0 + bias)
    (alert,) = gates.alerts(metrics_of(layer))
    assert alert.kind == "forget_saturated"
    assert alert.text.startswith("lstm_1: 100% of the values of gate f") and effect in alert.text


def test_dead_units():
    layer = kl.LSTM(8, name="lstm_1")
    for gate in "ifco":
        for part in ("kernel", "recurrent_kernel", "bias"):
            changed(layer, gate, part, lambda a: np.where(np.arange(8) < 2, 0.0, a))
    (alert,) = gates.alerts(metrics_of(layer))
    assert alert.kind == "dead_units" and "25% of the units" in alert.text


def test_an_exploding_recurrent_kernel():
    layer = changed(kl.SimpleRNN(4, name="rnn_1"), "h", "recurrent_kernel", lambda a: 3 * a)
    (alert,) = gates.alerts(metrics_of(layer))
    assert alert.kind == "exploding_recurrence" and "spectral radius 3 " in alert.text


def test_the_spectral_radius_by_power_iteration():
    kernel = np.random.default_rng(3).normal(size=(5, 5))
    found = gates.statistics({"rnn_1/recurrent_kernel/h": kernel})["gates.rnn_1/h_radius"]
    power = np.linalg.matrix_power(kernel / found, 200)
    assert 1e-3 < np.linalg.norm(power) < 1e3  # neither grows nor fades: Gelfand's formula
    assert "gates.lstm_1/f_radius" not in gates.statistics({"lstm_1/recurrent_kernel/f": kernel})


@pytest.mark.parametrize(("by", "cure"), [(1e-6, "higher"), (0.5, "lower")])
def test_update_ratios_out_of_bounds(by, cure):
    ones = {"lstm_1/kernel/i": np.ones((2, 4))}
    moved = {"lstm_1/kernel/i": np.ones((2, 4)) * (1 + by)}
    (alert,) = gates.alerts(gates.statistics(moved, ones))
    assert alert.kind == "update_ratio"
    assert f"i {by:.2g}" in alert.text and f"{cure} learning rate" in alert.text


def test_memory_that_is_not_used_and_look_backs_that_are_too_long():
    (unused,) = gates.alerts({}, Memory({1: 2.0, 2: 2.0, 8: 2.0}, None, {}))
    assert unused.kind == "memory_unused" and "newest step alone" in unused.text
    (long,) = gates.alerts({}, Memory({1: 3.0, 2: 2.0, 8: 2.0}, None, {}))
    assert long.kind == "look_back_long" and "window.timesteps=2" in long.text
    assert gates.alerts({}, Memory({1: 3.0, 4: 2.5, 6: 2.0, 8: 2.0}, None, {})) == []


def test_a_recurrence_that_is_not_used():
    (alert,) = gates.alerts({}, Memory({1: 3.0, 2: 2.5, 4: 2.0}, 2.01, {}))
    assert alert.kind == "recurrence_unused"
    assert alert.text == "recurrence of no clear use: MAE +0.5 % without it"


def test_gates_that_are_not_used_and_gates_that_hurt():
    errors = {"lstm_1/i": 2.004, "lstm_1/f": 2.4, "lstm_1/c": 1.9, "lstm_1/o": 2.1}
    ends = {"i": (-0.003, 0.006), "f": (0.1, 0.3), "c": (-0.08, -0.02), "o": (-0.04, 0.14)}
    intervals = {1: (0.4, 0.6)} | {f"lstm_1/{gate}": both for gate, both in ends.items()}
    unused, hurts = gates.alerts({}, Memory({1: 3.0, 2: 2.0}, None, errors, 0.01, intervals))
    assert (unused.kind, hurts.kind) == ("gate_unused", "gate_hurts")
    assert unused.text == "gates of no clear use (MAE at their mean): lstm_1 i +0.2 %, o +5.0 %"
    assert hurts.text == "gates that hurt (MAE at their mean): lstm_1 c −5.0 % (−8.0 to −2.0 %)"


def test_of_many_gates_that_hurt_the_worst_are_named():
    errors = {f"lstm_{n}/i": 2.0 - 0.1 * n for n in (1, 3, 2, 4)}
    (alert,) = gates.alerts({}, Memory({1: 3.0, 2: 2.0}, None, errors))
    assert alert.text == (
        "gates that seem to hurt (MAE at their mean): lstm_4 i −20.0 %, lstm_3 i −15.0 % and 2 more"
    )


@pytest.mark.parametrize("measure", ["mae", "brier"])
@pytest.mark.parametrize(
    "curve",
    [
        {1: 2.0, 2: 2.0, 168: 2.0},
        {1: 3.0, 72: 2.0, 168: 2.0},
        {1: 3.0, 100: 2.5, 120: 2.0, 168: 2.0},
        {1: 3.0, 167: 2.5, 168: 2.0},
        {1: 3.0, 100: 1.5, 168: 2.0},
    ],
)
def test_a_finding_fits_two_lines(curve, measure):
    """With intervals, a recurrence and eight gates, all of them used for nothing or harmful."""
    wide = {steps: (error / 2 - 1.101, error / 2 - 0.901) for steps, error in curve.items()}
    errors = {f"lstm_{n}/{gate}": 2.0 for n in (1, 2) for gate in "ifco"}
    for ends in ((-0.041, 0.034), (-0.141, -0.034)):
        intervals = wide | dict.fromkeys(["recurrence", *errors], ends)
        found = gates.alerts({}, Memory(curve, 2.0, errors, 0.01, intervals, measure))
        texts = [Memory(curve, 2.0, errors, 0.01, intervals, measure).advice()]
        texts += [alert.text for alert in found]
        for text in texts:
            with console.capture() as said:
                say("gates", text)
            assert len(said.get().splitlines()) <= 2, text


def test_older_steps_that_hurt():
    curve = {1: 3.0, 2: 1.9, 4: 2.0}
    (alert,) = gates.alerts({}, Memory(curve, None, {}, 0.01, {2: (-0.08, -0.02)}))
    assert alert.kind == "older_steps_hurt" and "window.timesteps=2" in alert.text
    noisy = gates.alerts({}, Memory(curve, None, {}, 0.01, {2: (-0.12, 0.02)}))
    assert kinds(noisy) == ["look_back_long"]


def test_limits_are_the_users():
    layer = changed(kl.LSTM(4, name="lstm_1"), "f", "bias", lambda b: b * 0 - 20)
    assert gates.alerts(metrics_of(layer), None, gates.Limits(saturated=1.1)) == []
