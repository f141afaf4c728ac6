"""The callback counts right, forgets between trainings, and costs little."""

import sys

import keras
import numpy as np
import pytest
from keras import layers as kl

from forecast import gates, report
from forecast.errors import InputError

from .models import small_model

X, Y = np.random.default_rng(0).normal(size=(16, 6, 2)), np.ones((16, 1))


class Seen:
    """What a callback sent out."""

    def __init__(self):
        self.metrics, self.saved, self.pictures = {}, {}, {}

    def log(self, metrics, step):
        assert step not in self.metrics
        self.metrics[step] = metrics

    def save(self, name, weights):
        assert name not in self.saved
        self.saved[name] = weights

    def draw(self, snapshots):
        for key, step, image in report.album(snapshots, timesteps=6):
            assert (key, step) not in self.pictures
            self.pictures[key, step] = image

    def outputs(self, *, pictures):
        drawn = {"draw": self.draw} if pictures else {}
        return {"log": self.log, "save": self.save, **drawn}


def train(epochs, model=None, *, draw=False, **options):
    seen = Seen()
    callback = gates.GateSnapshots(**seen.outputs(pictures=draw), **options)
    model = model or small_model()
    model.fit(X, Y, epochs=epochs, verbose=0, callbacks=[callback])
    return seen


def test_every_epoch_is_logged_once_with_its_step():
    seen = train(3)
    assert list(seen.metrics) == [1, 2, 3]
    assert len({tuple(metrics) for metrics in seen.metrics.values()}) == 1
    # 4 gates x (3 norms, 3 RMS, update) + the candidate's radius, 2 taps x (norm, RMS) + update.
    assert len(seen.metrics[1]) == 4 * 7 + 1 + 5
    assert all(type(value) is float for value in seen.metrics[1].values())


def test_numbers_are_those_of_the_weights():
    model = small_model()
    before = [a.copy() for a in model.get_layer("lstm_1").get_weights()]
    seen = train(1, model)
    after = model.get_layer("lstm_1").get_weights()
    forget = slice(4, 8)
    changed = sum(
        ((a[..., forget] - b[..., forget]) ** 2).sum() for a, b in zip(after, before, strict=True)
    )
    had = sum((b[..., forget] ** 2).sum() for b in before)
    metrics = seen.metrics[1]
    assert metrics["gates.lstm_1/f_update"] == pytest.approx(np.sqrt(changed / had), rel=1e-5)
    assert metrics["gates.lstm_1/f_kernel_norm"] == pytest.approx(
        np.sqrt((after[0][:, forget] ** 2).sum()), rel=1e-6
    )


def test_snapshots_hold_the_weights_before_and_after():
    model = small_model()
    first = gates.snapshot(model)
    seen = train(5, model, every=2)
    assert list(seen.saved) == [f"snapshots/epoch_000{epoch}.npz" for epoch in (0, 2, 4, 5)]
    for name, array in gates.snapshot(model).items():
        np.testing.assert_array_equal(seen.saved["snapshots/epoch_0000.npz"][name], first[name])
        np.testing.assert_array_equal(seen.saved["snapshots/epoch_0005.npz"][name], array)


def test_pictures_come_when_training_ends_and_show_the_snapshots():
    seen = Seen()
    model = small_model()
    callback = gates.GateSnapshots(**seen.outputs(pictures=True), every=2)
    early = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda *_: seen.metrics.setdefault("early", len(seen.pictures))
    )
    model.fit(X, Y, epochs=3, verbose=0, callbacks=[callback, early])
    assert seen.metrics.pop("early") == 0
    assert list(seen.pictures) == [
        (key, step)
        for step in (0, 20, 40, 60, 80, 100)
        for key in ("gates/lstm_1", "gates/taps", "weights/lstm_1")
    ]
    image = seen.pictures["gates/lstm_1", 100]
    assert image.shape == (768, 768, 3)
    assert image.dtype == np.uint8


@pytest.mark.parametrize("epochs", [1, 2, 5, 23, 200])
@pytest.mark.parametrize("pictures", [1, 2, 6])
def test_snapshots_at_shares_of_any_training_are_few_and_near(epochs, pictures):
    model, drawn, most = small_model(), {}, 0
    callback = gates.GateSnapshots(draw=drawn.update, pictures=pictures)
    callback.set_model(model)
    callback.on_train_begin()
    for epoch in range(epochs):
        callback.on_epoch_end(epoch)
        most = max(most, sum(name.startswith("kept/") for name in callback.state()))
    arrays = len(gates.snapshot(model))
    callback.on_train_end()
    assert most <= 2 * pictures * arrays
    assert min(drawn) == 0 and max(drawn) == epochs and len(drawn) <= pictures + 1
    for share in np.linspace(0, 1, pictures) if pictures > 1 else [1.0]:
        nearest = min(abs(epoch - share * epochs) for epoch in drawn)
        # half of the distance between two that are kept, or half an epoch
        assert nearest <= max(0.5, epochs / (2 * pictures))


def test_one_colour_scale_and_the_feature_names_for_the_whole_run(monkeypatch):
    limits, names, kept = [], [], {}
    module = sys.modules[report.album.__module__]
    heat_map = report.heat_map

    def spy(weights, layer, limit, **options):
        limits.append(limit)
        names.append(options["feature_names"])
        return heat_map(weights, layer, limit, **options)

    monkeypatch.setattr(module, "heat_map", spy)
    callback = gates.GateSnapshots(draw=kept.update)
    small_model().fit(X, Y, epochs=2, verbose=0, callbacks=[callback])
    assert list(kept) == [0, 1, 2]
    list(report.album(kept, timesteps=6, feature_names=["a", "b", "c"], pictures=3))
    assert len(limits) == 3
    assert len(set(limits)) == 1
    assert names == [["a", "b", "c"]] * 3


def test_a_second_training_starts_anew():
    seen = Seen()
    model = small_model()
    callback = gates.GateSnapshots(save=seen.save)
    model.fit(X, Y, epochs=2, verbose=0, callbacks=[callback])
    after = gates.snapshot(model)
    seen.saved.clear()
    model.fit(X, Y, epochs=1, verbose=0, callbacks=[callback])
    assert list(seen.saved) == ["snapshots/epoch_0000.npz", "snapshots/epoch_0001.npz"]
    for name, array in seen.saved["snapshots/epoch_0000.npz"].items():
        np.testing.assert_array_equal(array, after[name])


def test_hooks_alone_are_enough():
    """A training loop that is not `fit` and calls only the epoch hooks."""
    seen, model = Seen(), small_model()
    callback = gates.GateSnapshots(**seen.outputs(pictures=True))
    callback.set_model(model)
    callback.on_train_begin()
    for epoch in range(2):
        model.get_layer("lstm_1").cell.kernel.assign_add(np.ones((3, 16)))
        callback.on_epoch_end(epoch)
    callback.on_train_end()
    assert list(seen.metrics) == [1, 2]
    assert seen.metrics[1]["taps.conv_1/update"] == 0.0
    assert seen.metrics[1]["gates.lstm_1/i_update"] > 0.1


def test_outputs_are_optional():
    small_model().fit(X, Y, epochs=1, verbose=0, callbacks=[gates.GateSnapshots()])


def test_a_model_without_gates_logs_nothing():
    model = keras.Sequential([keras.Input((6, 2)), kl.Flatten(), kl.Dense(1)])
    model.compile(loss="mae")
    seen = train(2, model)
    assert (seen.metrics, seen.saved, seen.pictures) == ({}, {}, {})


def warnings_of(model, inputs=X, **options):
    """Train, and return the callback and what it warned of."""
    model.compile(loss="mae", optimizer="sgd")
    callback, told = gates.GateSnapshots(**options), []
    callback.warn = told.append
    model.fit(inputs, Y, epochs=2, verbose=0, callbacks=[callback])
    return callback, told


def test_a_network_of_which_nothing_is_watched_says_so_once(caplog):
    model = keras.Sequential([keras.Input((6, 2)), kl.Flatten(), kl.Dense(1)])
    assert warnings_of(model)[1] == ["no recurrent or convolution layer: nothing to watch"]
    assert warnings_of(small_model())[1] == []
    model.fit(X, Y, epochs=2, verbose=0, callbacks=[gates.GateSnapshots(probe=X[:4])])
    found = [r.message for r in caplog.records if r.name.startswith("forecast.gates")]
    assert found == ["no recurrent or convolution layer: nothing to watch"]


def test_a_layer_that_is_not_watched_is_named_beside_one_that_is():
    inputs = keras.Input((6, 5, 2))
    x = kl.Flatten()(kl.ConvLSTM1D(2, 2, name="space")(inputs))
    model = keras.Model(inputs, kl.Dense(1)(kl.LSTM(3, name="lstm_1")(kl.RepeatVector(4)(x))))
    seen = np.random.default_rng(0).normal(size=(16, 6, 5, 2))
    callback, told = warnings_of(model, seen)
    assert len(told) == 1 and "space (ConvLSTM1D)" in told[0] and "lstm_1" not in told[0]
    assert not [key for key in callback.history[1] if key.startswith("taps.")]
    assert "gates.lstm_1/f_kernel_rms" in callback.history[1]


class Doubling(kl.Wrapper):
    """A wrapper of one's own, which hands on something else than it receives."""

    def call(self, inputs):
        return self.layer(inputs * 2.0)


def test_a_wrapper_of_ones_own_is_measured_on_what_it_hands_on():
    model = keras.Sequential([keras.Input((6, 2)), Doubling(kl.LSTM(3), name="w"), kl.Dense(1)])
    callback, told = warnings_of(model, probe=X[:4])
    assert told == [] and "gates.w/f_shut" in callback.history[2]
    traced = gates.trace(model, X[:4])["w"]["hidden"][:, -1]
    head = model.layers[-1].get_weights()
    np.testing.assert_allclose(
        traced @ head[0] + head[1], model.predict(X[:4], verbose=0), rtol=1e-4, atol=1e-6
    )
    inner = gates.trace(model.layers[0].layer, 2 * X[:4])  # what advice about wrappers says
    np.testing.assert_allclose(next(iter(inner.values()))["hidden"][:, -1], traced, rtol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("several", [list, tuple, lambda both: dict(zip("ab", both, strict=True))])
def test_a_probe_of_two_inputs(several):
    a, b = keras.Input((6, 2), name="a"), keras.Input((6, 2), name="b")
    both = kl.add([kl.LSTM(3, name="lstm_1")(a), kl.GRU(3, name="gru_1")(b)])
    model = keras.Model(several([a, b]), kl.Dense(1)(both))
    callback, _ = warnings_of(model, several([X, 2 * X]), probe=several([X[:4], 2 * X[:4]]))
    expected = gates.measure(gates.trace(model.get_layer("gru_1"), 2 * X[:4]))
    assert callback.history[2]["gates.gru_1/z_mean"] == pytest.approx(
        float(expected["gru_1/mean/z"].mean()), rel=1e-5
    )
    assert "gates.lstm_1/f_mean" in callback.history[2]


def stateful(carry):
    inputs = keras.Input(batch_shape=(8, 6, 2)) if carry else keras.Input((6, 2))
    keras.utils.set_random_seed(1)
    layer = kl.LSTM(3, stateful=carry, name="lstm_1")
    return keras.Model(inputs, kl.Dense(1)(layer(inputs)))


def test_the_cures_of_a_stateful_layer_with_a_probe_work():
    model = stateful(carry=True)
    model.compile(loss="mae", optimizer="sgd")

    def fit(**options):
        callback = gates.GateSnapshots(**options)
        model.fit(X, Y, epochs=1, verbose=0, batch_size=8, callbacks=[callback])
        return callback.history

    with pytest.raises(InputError, match=r"stateful .*; leave out the probe .*stateful=False"):
        fit(probe=X[:4])
    assert "gates.lstm_1/f_kernel_norm" in fit()[1]
    plain = stateful(carry=False)
    plain.set_weights(model.get_weights())
    assert gates.trace(plain, X[:4])["lstm_1"]["hidden"].shape == (4, 6, 3)


@pytest.mark.parametrize("name", ["every", "pictures"])
def test_counts_below_one(name):
    with pytest.raises(InputError, match=rf"^{name}: must be at least 1, received 0"):
        gates.GateSnapshots(**{name: 0})


def test_an_epoch_of_two_layers_of_64_keeps_little(tmp_path):
    model = keras.Sequential(
        [
            keras.Input((24, 8)),
            kl.LSTM(64, return_sequences=True, name="lstm_1"),
            kl.LSTM(64, name="lstm_2"),
            kl.Dense(1),
        ]
    )
    counts = []
    callback = gates.GateSnapshots(
        log=lambda metrics, _: counts.append(len(metrics)),
        save=lambda name, weights: gates.save(tmp_path / name.replace("/", "_"), weights),
    )
    callback.set_model(model)
    callback.on_train_begin()
    for epoch in range(5):
        callback.on_epoch_end(epoch)
    assert max(counts) < 60
    assert 51 * max(path.stat().st_size for path in tmp_path.iterdir()) < 20e6


@pytest.mark.slow
def test_one_that_resumes_tells_what_an_undisturbed_one_tells():
    options = {"every": 2, "pictures": 2, "probe": X[:4]}
    model = small_model()
    reached = [model.get_weights()]
    keep = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda *_: reached.append(model.get_weights())
    )
    model.fit(X, Y, epochs=5, verbose=0, callbacks=[keep])

    def go(callback, epochs, *, end):
        model.set_weights(reached[0])
        callback.set_model(model)
        callback.on_train_begin()
        for epoch in epochs:
            model.set_weights(reached[epoch + 1])
            callback.on_epoch_end(epoch)
        if end:
            callback.on_train_end()

    whole, before, after = Seen(), Seen(), Seen()
    go(gates.GateSnapshots(**whole.outputs(pictures=True), **options), range(5), end=True)
    killed = gates.GateSnapshots(**before.outputs(pictures=True), **options)
    go(killed, range(3), end=False)
    resumed = gates.GateSnapshots(**after.outputs(pictures=True), **options)
    seen = resumed.resume(killed.state())
    model.set_weights(reached[3])
    for name, array in gates.snapshot(model).items():
        np.testing.assert_array_equal(seen[name], array)
    go(resumed, range(3, 5), end=True)
    assert before.metrics | after.metrics == whole.metrics
    assert resumed.history == whole.metrics
    assert before.saved.keys() | after.saved.keys() == whole.saved.keys()
    assert after.pictures.keys() == whole.pictures.keys()
    for key, image in whole.pictures.items():
        np.testing.assert_array_equal(after.pictures[key], image)
