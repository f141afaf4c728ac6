"""Activations against the equations of the papers, written as loops, and against Keras itself."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import layers as kl

from forecast import gates
from forecast.errors import InputError

RNG = np.random.default_rng(7)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def filled(layer, shape):
    """Build a layer and give all its weights, biases too, values that matter."""
    layer.build(shape)
    layer.set_weights([RNG.normal(scale=0.5, size=a.shape) for a in layer.get_weights()])
    return layer


def lstm_paper(weights, x):
    """Hochreiter and Schmidhuber with forget gates: one sample, unit by unit."""
    kernel, recurrent, bias = (np.float64(w) for w in weights)
    units = len(recurrent)
    hidden, cell = np.zeros(units), np.zeros(units)
    steps = []
    for row in np.float64(x):
        new = {}
        for position, gate in enumerate("ifco"):
            squash = np.tanh if gate == "c" else sigmoid
            new[gate] = np.zeros(units)
            for unit in range(units):
                column = position * units + unit
                total = bias[column]
                for feature, value in enumerate(row):
                    total += value * kernel[feature, column]
                for other in range(units):
                    total += hidden[other] * recurrent[other, column]
                new[gate][unit] = squash(total)
        cell = new["f"] * cell + new["i"] * new["c"]
        hidden = new["o"] * np.tanh(cell)
        steps.append({**new, "cell": cell, "hidden": hidden})
    return {key: np.array([step[key] for step in steps]) for key in steps[0]}


def gru_paper(weights, x, *, reset_after):
    """Cho et al.; with `reset_after` the variant that resets behind the matrix product."""
    kernel, recurrent, bias = (np.float64(w) for w in weights)
    into, back = (bias[0], bias[1]) if reset_after else (bias, np.zeros_like(bias))
    units = len(recurrent)
    z, r, h = (slice(n * units, (n + 1) * units) for n in range(3))
    hidden = np.zeros(units)
    steps = []
    for row in np.float64(x):
        update = sigmoid(row @ kernel[:, z] + into[z] + hidden @ recurrent[:, z] + back[z])
        reset = sigmoid(row @ kernel[:, r] + into[r] + hidden @ recurrent[:, r] + back[r])
        if reset_after:
            past = reset * (hidden @ recurrent[:, h] + back[h])
        else:
            past = (reset * hidden) @ recurrent[:, h]
        candidate = np.tanh(row @ kernel[:, h] + into[h] + past)
        hidden = update * hidden + (1 - update) * candidate
        steps.append({"z": update, "r": reset, "h": candidate, "hidden": hidden})
    return {key: np.array([step[key] for step in steps]) for key in steps[0]}


def assert_close(found, expected):
    np.testing.assert_allclose(found, expected, atol=1e-5, rtol=0)


def test_lstm_against_the_paper():
    layer = filled(kl.LSTM(3, name="lstm_1"), (None, 7, 2))
    x = RNG.normal(size=(4, 7, 2))
    found = gates.trace(layer, x)["lstm_1"]
    assert list(found) == ["i", "f", "c", "o", "hidden", "cell"]
    for sample in range(4):
        for key, expected in lstm_paper(layer.get_weights(), x[sample]).items():
            assert_close(found[key][sample], expected)


@pytest.mark.parametrize("reset_after", [True, False])
def test_gru_against_the_paper(reset_after):
    layer = filled(kl.GRU(3, reset_after=reset_after, name="gru_1"), (None, 7, 2))
    x = RNG.normal(size=(4, 7, 2))
    found = gates.trace(layer, x)["gru_1"]
    assert list(found) == ["z", "r", "h", "hidden"]
    for sample in range(4):
        expected = gru_paper(layer.get_weights(), x[sample], reset_after=reset_after)
        for key, values in expected.items():
            assert_close(found[key][sample], values)


KINDS = {
    "lstm": lambda units, use_bias, options: kl.LSTM(units, use_bias=use_bias, **options),
    "gru": lambda units, use_bias, options: kl.GRU(units, use_bias=use_bias, **options),
    "gru before": lambda units, use_bias, options: kl.GRU(
        units, use_bias=use_bias, reset_after=False, **options
    ),
    "rnn": lambda units, use_bias, options: kl.SimpleRNN(units, use_bias=use_bias, **options),
}


@pytest.mark.filterwarnings("ignore:.*You are using a softmax over axis -1")
@settings(deadline=None, max_examples=30)
@given(
    kind=st.sampled_from(sorted(KINDS)),
    units=st.integers(1, 5),
    features=st.integers(1, 4),
    timesteps=st.integers(1, 7),
    activation=st.sampled_from(["tanh", "relu", "linear", "elu", "softsign", "softmax", "gelu"]),
    squash=st.sampled_from(["sigmoid", "hard_sigmoid", "tanh", "softmax"]),
    go_backwards=st.booleans(),
    use_bias=st.booleans(),
    masked=st.booleans(),
    started=st.booleans(),
    seed=st.integers(0, 9),
)
def test_hidden_states_are_the_output_of_keras(
    kind,
    units,
    features,
    timesteps,
    activation,
    squash,
    go_backwards,
    use_bias,
    masked,
    started,
    seed,
):
    rng = np.random.default_rng(seed)
    options = {"activation": activation, "go_backwards": go_backwards, "return_sequences": True}
    options |= {"return_state": True, "name": "layer"}
    if kind != "rnn":
        options["recurrent_activation"] = squash
    layer = KINDS[kind](units, use_bias, options)
    layer.build((None, timesteps, features))
    layer.set_weights([rng.normal(scale=0.3, size=a.shape) for a in layer.get_weights()])
    x = rng.normal(size=(3, timesteps, features)).astype("float32")
    count = 2 if kind == "lstm" else 1
    state = [rng.normal(size=(3, units)).astype("float32") for _ in range(count)]
    state = state if started else None
    mask = rng.random((3, timesteps)) < 0.7 if masked else None

    output, last, *carried = layer(x, mask=mask, initial_state=state)
    found = gates.trace(layer, x, mask=mask, initial_state=state)["layer"]

    order = slice(None, None, -1) if go_backwards else slice(None)
    live = np.ones((3, timesteps), bool) if mask is None else mask[:, order]
    assert_close(found["hidden"][:, order][live], np.asarray(output)[live])
    assert_close(found["hidden"][:, order][:, -1], last)
    if carried:
        assert_close(found["cell"][:, order][:, -1], carried[0])
    for gate in gates.split(layer):
        assert (np.isnan(found[gate][:, order]).all(axis=-1) == ~live).all()


@pytest.mark.parametrize("inner", [kl.LSTM, kl.GRU, kl.SimpleRNN])
def test_both_directions_share_the_time_axis_of_the_windows(inner):
    layer = filled(kl.Bidirectional(inner(3, return_sequences=True), name="bi_1"), (None, 6, 2))
    x = RNG.normal(size=(4, 6, 2)).astype("float32")
    found = gates.trace(layer, x)
    output = np.asarray(layer(x))
    assert_close(found["bi_1.forward"]["hidden"], output[..., :3])
    assert_close(found["bi_1.backward"]["hidden"], output[..., 3:])


def test_stacked_cells():
    cells = [kl.LSTMCell(3), kl.GRUCell(2), kl.SimpleRNNCell(4)]
    layer = filled(kl.RNN(cells, return_sequences=True, name="rnn_1"), (None, 6, 2))
    x = RNG.normal(size=(4, 6, 2)).astype("float32")
    start = [RNG.normal(size=(4, n)).astype("float32") for n in (3, 3, 2, 4)]
    found = gates.trace(layer, x, initial_state=start)
    assert list(found) == ["rnn_1.cell_1", "rnn_1.cell_2", "rnn_1.cell_3"]
    output = layer(x, initial_state=[start[:2], [start[2]], [start[3]]])
    assert_close(found["rnn_1.cell_3"]["hidden"], output)


def test_time_distributed_keeps_the_outer_axis():
    inner = kl.Bidirectional(kl.GRU(2, return_sequences=True))
    layer = filled(kl.TimeDistributed(inner, name="td_1"), (None, 3, 5, 2))
    x = RNG.normal(size=(4, 3, 5, 2)).astype("float32")
    found = gates.trace(layer, x)
    output = np.asarray(layer(x))
    assert found["td_1.forward"]["z"].shape == (4, 3, 5, 2)
    assert_close(found["td_1.forward"]["hidden"], output[..., :2])
    assert_close(found["td_1.backward"]["hidden"], output[..., 2:])


def test_a_whole_model_with_mask_nesting_and_initial_states():
    """An encoder that hands its states to a decoder, padded steps, a nested body, dropout."""
    inputs = keras.Input((6, 2))
    x = kl.Masking(name="mask")(inputs)
    x, hidden, cell = kl.LSTM(3, return_sequences=True, return_state=True, name="encoder")(x)
    y = kl.LSTM(3, return_sequences=True, name="decoder")(
        kl.Dropout(0.5)(x), initial_state=[hidden, cell]
    )
    body_in = keras.Input((6, 2))
    gru = kl.GRU(2, return_sequences=True, dropout=0.5, recurrent_dropout=0.5, name="gru_1")
    body = keras.Model(body_in, gru(body_in), name="body")
    model = keras.Model(inputs, [x, y, body(inputs), body(kl.Rescaling(2.0)(inputs))])
    model.set_weights([RNG.normal(scale=0.5, size=a.shape) for a in model.get_weights()])
    windows = RNG.normal(size=(5, 6, 2)).astype("float32")
    windows[:2, :3] = 0.0

    found = gates.trace(model, windows)
    encoder, decoder, *nested = (np.asarray(output) for output in model(windows))
    assert list(found) == ["encoder", "decoder", "body.gru_1"]
    live = (windows != 0).any(axis=-1)
    assert (np.isnan(found["encoder"]["f"]).any(axis=-1) == ~live).all()
    assert_close(found["encoder"]["hidden"][live], encoder[live])
    assert_close(found["decoder"]["hidden"][live], decoder[live])
    # The body is called twice, so its windows come twice; Keras chooses which call is first.
    assert found["body.gru_1"]["z"].shape == (10, 6, 2)
    halves = found["body.gru_1"]["hidden"][:5], found["body.gru_1"]["hidden"][5:]
    first = 0 if np.allclose(halves[0], nested[0], atol=1e-5) else 1
    assert_close(halves[first], nested[0])
    assert_close(halves[1 - first], nested[1])


def test_the_model_is_as_before():
    model = keras.Sequential(
        [keras.Input((6, 2)), kl.Bidirectional(kl.LSTM(3), name="bi_1"), kl.Dense(1)]
    )
    x = RNG.normal(size=(4, 6, 2)).astype("float32")
    before, attributes = np.asarray(model(x)), set(vars(model.layers[0]))
    gates.trace(model, x)
    assert set(vars(model.layers[0])) == attributes
    np.testing.assert_array_equal(np.asarray(model(x)), before)
    with pytest.raises(Exception, match="incompatible|expected"):
        gates.trace(model, x[..., :1])
    assert set(vars(model.layers[0])) == attributes


def test_a_closed_forget_gate_is_seen_closed():
    layer = filled(kl.LSTM(3, name="lstm_1"), (None, 6, 2))
    weights = gates.split(layer)
    weights["f"]["bias"][:] = -20
    layer.set_weights(gates.join(layer, weights))
    assert gates.trace(layer, RNG.normal(size=(8, 6, 2)))["lstm_1"]["f"].max() < 1e-3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"windows": np.zeros((2, 5, 3))}, r"^windows: must be \(samples, timesteps, 2\)"),
        ({"windows": np.zeros((2, 5))}, r"^windows: must be .* received \(2, 5\)"),
        ({"mask": np.ones((2, 4))}, r"^mask: must be .* = \(2, 5\), received \(2, 4\)"),
        ({"initial_state": [np.zeros((2, 3))]}, r"^initial_state: must be 2 arrays"),
    ],
)
def test_shapes_that_do_not_fit(options, message):
    layer = filled(kl.LSTM(3, name="lstm_1"), (None, 5, 2))
    with pytest.raises(InputError, match=message):
        gates.trace(layer, **{"windows": np.zeros((2, 5, 2)), **options})


def test_what_cannot_be_traced():
    x = np.zeros((2, 5, 2), "float32")
    stateful = kl.LSTM(3, stateful=True, name="lstm_1")
    stateful.build((2, 5, 2))
    with pytest.raises(
        InputError, match=r"of LSTM 'lstm_1' cannot be recomputed, since it is stateful"
    ):
        gates.trace(stateful, x)
    with pytest.raises(InputError, match="received LSTMCell"):
        gates.trace(filled(kl.LSTMCell(2), (None, 2)), x)
    model = keras.Sequential([keras.Input((5, 2)), kl.LSTM(3)])
    with pytest.raises(InputError, match="^mask, initial_state: belong to a single"):
        gates.trace(model, x, mask=np.ones((2, 5)))
