"""The causal CNN against plain convolutions, step by step, and against impulses."""

import logging

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecast.errors import InputError
from forecast.models import Sizes
from forecast.models.causal_cnn import CausalCnn, causal_cnn
from forecast.models.convolution import (
    CausalConv,
    Newest,
    fitting_dilations,
    receptive_field,
    spacings,
)

QUIET = settings(deadline=None, derandomize=True, database=None, max_examples=200)


def build(timesteps, dilations=(), *, kernel_size=3, filters=4, features=2, **more):
    """A network without repairs and dropout, every bias away from zero."""
    keras.utils.set_random_seed(1)
    own = CausalCnn(
        filters=filters,
        kernel_size=kernel_size,
        dilations=dilations,
        activation="tanh",  # unlike relu it never hides a change
        dropout=0.0,
        **more,
    )
    model = causal_cnn(Sizes(timesteps, features, horizon=2), own)
    rng = np.random.default_rng(3)
    model.set_weights([w + rng.normal(0, 0.3, w.shape) for w in model.get_weights()])
    return model


def by_keras(model, x):
    """The same network as full causal convolutions of Keras over all steps, zeros before them."""
    convolutions = [part for part in model.layers if isinstance(part, CausalConv)]
    for number, own in enumerate(convolutions, start=1):
        plain = keras.layers.Conv1D(
            own.filters, own.kernel_size, padding="causal", dilation_rate=own.dilation
        )
        plain.build(x.shape)
        plain.set_weights(own.get_weights())
        y = np.tanh(plain(x).numpy())
        if number == 1 and x.shape[-1] != own.filters:
            kernel, bias = model.get_layer("projection_1").get_weights()
            x = x @ kernel + bias
        x = x + y
    kernel, bias = model.get_layer("head").get_weights()
    return (x[:, -1] @ kernel + bias)[..., None]


@QUIET
@given(st.integers(2, 700), st.integers(2, 9))
def test_fitting_dilations_double_and_fill_the_window(timesteps, kernel_size):
    if kernel_size > timesteps:
        with pytest.raises(InputError, match="model.kernel_size must lie between 2 and"):
            fitting_dilations(timesteps, kernel_size)
        return
    found = fitting_dilations(timesteps, kernel_size)
    field = 1 + sum((kernel_size - 1) * dilation for dilation in found)
    assert timesteps - (kernel_size - 1) < field <= timesteps
    assert list(found[:-1]) == [2**i for i in range(len(found) - 1)]
    assert 1 <= found[-1] <= 2 ** (len(found) - 1)
    assert receptive_field(kernel_size, found) == field


def test_known_receptive_fields():
    assert receptive_field(3, [1, 2, 4, 8, 16, 32]) == 127
    assert receptive_field(2, [1, 2, 4, 8, 16, 32, 64, 128]) == 256  # WaveNet's block
    assert fitting_dilations(127, 3) == (1, 2, 4, 8, 16, 32)
    assert fitting_dilations(72, 3) == (1, 2, 4, 8, 16, 4)
    assert fitting_dilations(2, 2) == (1,)


@QUIET
@given(st.lists(st.integers(1, 12), min_size=1, max_size=6), st.integers(2, 3))
def test_spacings_cover_every_step_that_the_last_output_needs(dilations, kernel_size):
    """Walk down from the last step and mark what each layer must read."""
    space = spacings(dilations)
    assert len(space) == len(dilations) + 1
    needed = {0}
    for layer in reversed(range(len(dilations))):
        assert all(step % space[layer + 1] == 0 for step in needed)
        assert dilations[layer] % space[layer] == 0 and space[layer + 1] % space[layer] == 0
        needed |= {step + tap * dilations[layer] for step in needed for tap in range(kernel_size)}
        assert all(step % space[layer] == 0 for step in needed)


@pytest.mark.parametrize(
    ("timesteps", "dilations", "kernel_size"),
    [
        (8, (), 3),
        (24, (), 2),
        (20, (4, 2, 1), 3),  # falling
        (24, (2, 4, 6), 2),  # no power of two
        (9, (3, 3), 2),
        (6, (1, 2, 4), 3),  # sees more than the window
        (12, (1,), 4),
    ],
)
def test_strided_stack_equals_keras_step_by_step(timesteps, dilations, kernel_size):
    model = build(timesteps, dilations, kernel_size=kernel_size)
    x = np.random.default_rng(0).normal(size=(3, timesteps, 2)).astype(np.float32)
    field = receptive_field(kernel_size, dilations or fitting_dilations(timesteps, kernel_size))
    # Keras pads every layer with zeros; ours are computed from the padded window alone
    padded = np.pad(x, ((0, 0), (max(0, field - timesteps), 0), (0, 0)))
    np.testing.assert_allclose(model(x), by_keras(model, padded), rtol=2e-4, atol=2e-5)


@pytest.mark.parametrize(
    ("timesteps", "dilations", "kernel_size"),
    [
        (9, [1, 2], 3),
        (16, [1, 2, 4, 8], 2),
        (12, [1, 1], 2),
        (9, [2], 2),  # every second step
        (20, [3, 3], 3),
        (14, [2, 4, 2], 2),
        (18, [4, 1, 3], 2),
        (5, [4, 2], 3),  # sees more than the window
    ],
)
def test_an_impulse_reaches_the_output_iff_it_lies_in_the_receptive_field(
    timesteps, dilations, kernel_size
):
    model = build(timesteps, tuple(dilations), kernel_size=kernel_size)
    base = np.random.default_rng(0).normal(size=(1, timesteps, 2))
    batch = np.repeat(base, timesteps, axis=0)
    batch[np.arange(timesteps), np.arange(timesteps), 0] += 1.0
    moved = np.abs(model(batch).numpy() - model(base).numpy()).max(axis=(1, 2))
    reached = {0}  # steps back from the newest, by walking down the taps
    for dilation in reversed(dilations):
        reached |= {step + tap * dilation for step in reached for tap in range(kernel_size)}
    expected = [timesteps - 1 - step in reached for step in range(timesteps)]
    assert (moved > 1e-6).tolist() == expected
    field = receptive_field(kernel_size, dilations)
    assert max(reached) + 1 == field and not any(expected[: max(0, timesteps - field)])


def test_chosen_dilations_see_the_whole_window():
    for timesteps in (3, 8, 17, 24):
        model = build(timesteps)
        base = np.random.default_rng(0).normal(size=(1, timesteps, 2))
        batch = np.repeat(base, timesteps, axis=0)
        batch[np.arange(timesteps), np.arange(timesteps), 0] += 1.0
        moved = np.abs(model(batch).numpy() - model(base).numpy()).max(axis=(1, 2))
        oldest = int((moved > 1e-6).argmax())
        assert oldest <= 1 and (moved[oldest:] > 1e-6).all()


@pytest.mark.parametrize("spacing", [1, 2])
@pytest.mark.parametrize("keep", [2, 4])
def test_causal_conv_by_loop(spacing, keep):
    layer = CausalConv(3, 2, 4, spacing=spacing, keep=keep)
    rng = np.random.default_rng(0)
    full = rng.normal(size=(2, 17, 2)).astype(np.float32)  # every step; the newest is row 16
    x = full[:, (17 - 1) % spacing :: spacing]
    layer.build(x.shape)
    layer.set_weights([rng.normal(size=w.shape) for w in layer.get_weights()])
    kernel, bias = layer.get_weights()
    expected = []
    for row in range(17):
        if (16 - row) % keep == 0 and row - 4 >= (16 % spacing):
            expected.append(full[:, row - 4] @ kernel[0] + full[:, row] @ kernel[1] + bias)
    np.testing.assert_allclose(layer(x), np.stack(expected, 1), rtol=1e-5, atol=1e-5)


def test_newest_cuts_pads_and_thins():
    x = np.arange(1.0, 6.0, dtype=np.float32).reshape(1, 5, 1)
    assert Newest(2)(x).numpy().ravel().tolist() == [4, 5]
    assert Newest(7)(x).numpy().ravel().tolist() == [0, 0, 1, 2, 3, 4, 5]
    assert Newest(3, every=2)(x).numpy().ravel().tolist() == [1, 3, 5]


def test_dilations_set_too_short_by_hand_are_warned_of(caplog):
    with caplog.at_level(logging.WARNING, "forecast"):
        build(24, (1, 2))
    assert [record.getMessage() for record in caplog.records] == [
        "model.dilations=[1, 2] sees the newest 7 of window.timesteps=24: the older steps are not "
        "used"
    ]


@pytest.mark.parametrize("dilations", [(), (1, 2, 4, 8), (1, 2, 3, 5)])
def test_dilations_that_fill_the_window_are_not_warned_of(dilations, caplog):
    with caplog.at_level(logging.WARNING, "forecast"):
        build(24, dilations)  # one step less is the best that three taps can do
    assert not caplog.records


@pytest.mark.parametrize("dilations", [[0, 1], [2, -1]])
def test_dilations_below_one_are_refused(dilations):
    with pytest.raises(InputError, match="model.dilations must be 1 or more"):
        build(24, dilations)


def conv(x, kernel, bias, dilation):
    """Causal convolution over all steps with zeros before them, by loop."""
    taps, (samples, steps, _) = len(kernel), x.shape
    out = np.tile(bias, (samples, steps, 1))
    for step in range(steps):
        for tap in range(taps):
            back = step - (taps - 1 - tap) * dilation
            if back >= 0:
                out[:, step] += x[:, back] @ kernel[tap]
    return out


def by_loop(model, x, dilations):
    """Blocks with every option over all steps, from the weights alone."""
    found = {weight.path: weight.numpy() for weight in model.weights}

    def dense(x, name):
        return x @ found[f"{name}/kernel"] + found[f"{name}/bias"]

    if "features_apart/kernel" in found:
        kernel, bias = found["features_apart/kernel"], found["features_apart/bias"]
        x = np.concatenate(
            [conv(x[..., f : f + 1], kernel[f][:, None], bias[f], 1) for f in range(len(kernel))],
            axis=-1,
        )
        x = np.tanh(x)
    for number, dilation in enumerate(dilations, start=1):
        y = x
        if f"bottleneck_{number}/kernel" in found:
            y = np.tanh(dense(y, f"bottleneck_{number}"))
        parts = [
            conv(y, found[f"{name}_{number}/kernel"], found[f"{name}_{number}/bias"], dilation)
            for name in ("conv", "gate")
            if f"{name}_{number}/kernel" in found
        ]
        y = np.tanh(parts[0])
        if len(parts) == 2:
            y = y / (1 + np.exp(-parts[1]))
        if f"widen_{number}/kernel" in found:
            y = dense(y, f"widen_{number}")
        if f"projection_{number}/kernel" in found:
            x = dense(x, f"projection_{number}")
        x = x + y
    return x


@pytest.mark.parametrize("head", ["last", "pool"])
@pytest.mark.parametrize(
    "options",
    [{"gated": True}, {"bottleneck": 2}, {"per_feature": 3}]
    + [{"gated": True, "bottleneck": 3, "per_feature": 2}],
    ids=lambda options: "-".join(options),
)
def test_options_by_loop(options, head):
    timesteps, dilations = 11, (1, 2, 4)
    model = build(timesteps, dilations, kernel_size=2, head=head, **options)
    x = np.random.default_rng(0).normal(size=(3, timesteps, 2)).astype(np.float32)
    # zeros before the window are rows like any other; what the loop pads lies before them
    field = 1 + sum(dilations) + (1 if "per_feature" in options else 0)
    padded = np.pad(x, ((0, 0), (field - 1, 0), (0, 0)))
    states = by_loop(model, padded, dilations)[:, -timesteps:]
    if head == "last":
        seen = states[:, -1]
    else:
        even = np.concatenate([states, states[:, -1:]], axis=1)  # 11 steps make six pairs
        seen = np.maximum(even[:, ::2], even[:, 1::2]).reshape(3, -1)
    kernel, bias = model.get_layer("head").get_weights()
    np.testing.assert_allclose(model(x), (seen @ kernel + bias)[..., None], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("options", [{"gated": True, "per_feature": 2}, {"bottleneck": 2}])
def test_an_impulse_proves_the_receptive_field_of_every_option(options):
    from forecast.models import explain

    model = build(16, (1, 2), kernel_size=3, **options)
    base = np.repeat(np.random.default_rng(0).normal(size=(1, 16, 2)), 16, axis=0)
    batch = base.copy()
    batch[np.arange(16), np.arange(16), 0] += 1.0
    moved = np.abs(model(batch).numpy() - model(base).numpy()).max(axis=(1, 2))
    expected = 1 + 2 * 3 + (2 if "per_feature" in options else 0)
    assert (moved > 0).sum() == explain.receptive_field(model) == expected
    assert (moved[-expected:] > 0).all()


def test_no_feature_sees_another_before_the_joint_blocks():
    model = build(9, (1,), per_feature=3)
    alone = keras.Model(model.input, model.get_layer("features_apart").output)
    x = np.random.default_rng(0).normal(size=(2, 9, 2)).astype(np.float32)
    other = x.copy()
    other[..., 1] += 1
    moved = np.abs(alone(other).numpy() - alone(x).numpy()).max(axis=(0, 1))
    assert (moved[:3] == 0).all() and (moved[3:] > 0).all()
