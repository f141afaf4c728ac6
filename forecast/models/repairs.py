"""Repairs: functions that wrap any body so that it copes with drifting data.

Each takes a body made for other sizes and returns a model of the sizes asked for, so they nest: a
body made for `inner(sizes)` is patched, gets its linear path and what is known ahead, is shared by
the channels, normalised and given the series. A repair calls the body's layers on a changed window;
the result is one flat model with the body's own layer names, so gates and snapshots look the same
with and without it.
"""

from dataclasses import replace
from typing import Any

import keras
from keras import ops

from forecast.errors import InputError
from forecast.models import heads
from forecast.models.layers import (
    Channels,
    Cut,
    Cycle,
    Deviations,
    KnownAhead,
    LastValue,
    Moments,
    Patches,
    Relative,
    Repeated,
    SeasonBefore,
    SeriesColumns,
    SeriesNumber,
    Together,
)
from forecast.models.settings import Repairs, Sizes


def inner(sizes: Sizes, repairs: Repairs) -> Sizes:
    """Tell what the body must map, so that the repaired model maps what is asked for.

    >>> found = inner(Sizes(96, 7, 24, 7), Repairs(channels="shared", patch=12))
    >>> found.timesteps, found.features, found.horizon, found.targets
    (8, 12, 24, 1)
    """
    if sizes.task == "classes" and repairs.channels == "shared":
        raise InputError(
            "model.channels must be joint where classes are predicted, got 'shared', which would "
            "give every class the same number: set model.channels=joint"
        )
    one = _of_one(_without_place(_with_series(sizes, repairs)), repairs)
    return _patched(replace(one, targets=one.targets + beside(repairs)), repairs.patch)


def beside(repairs: Repairs) -> int:
    """Tell how many numbers a network makes for each step beside its outputs, for the decoder."""
    return repairs.known_units if repairs.decoder == "state" else 0


def repair(body: keras.Model, sizes: Sizes, repairs: Repairs) -> keras.Model:
    """Wrap a body in all repairs asked for.

    Returns (samples, timesteps, features).
    """
    with_series = replace(_with_series(sizes, repairs), season=repairs.season or sizes.season)
    without_place = _without_place(with_series)
    one = _of_one(without_place, repairs)
    if repairs.patch > 1:
        body = patch(body, one, repairs.patch)
    if repairs.linear_path:
        body = linear_path(body, one, beside(repairs))
    if repairs.decoder == "state":
        body = decode(body, one, repairs.known_units)
    elif one.ahead:
        body = known_future(body, one, repairs.known_units)
    if repairs.channels == "shared":
        body = share(body, without_place)
    body = finish(body, without_place)
    if repairs.cycle:
        body = learn_cycle(body, with_series, repairs.cycle)
    body = normalize(body, with_series, repairs.normalization)
    return tell_series(body, sizes, repairs.series_embedding) if repairs.series_embedding else body


def finish(body: keras.Model, sizes: Sizes) -> keras.Model:
    """Make a body's numbers what they stand for: rising quantiles, or probabilities, but once.

    Shapes: `body` (samples, timesteps, features).
    """
    if not sizes.levels and sizes.task == "regression":
        return body
    if body.layers[-1].name == "probabilities" or any(
        isinstance(layer, heads.Rising) for layer in body.layers
    ):
        return body
    return keras.Model(body.input, heads.meaning(body.output, sizes), name=body.name)


def patch(body: keras.Model, sizes: Sizes, rows: int) -> keras.Model:
    """Let the body read several rows as one step.

    Source: segments of SegRNN (Lin et al. 2023), patches of PatchTST (Nie et al. 2023), without
    overlap.
    """
    window = _window(sizes)
    steps = Patches(rows, name="patches")(window)
    return keras.Model(window, body.call(steps), name=body.name)


def share(body: keras.Model, sizes: Sizes) -> keras.Model:
    """Let one network predict every target from its own column and those that are no target.

    The targets become samples, so weights are learned from all of them and none sees another: the
    channel independence of DLinear and PatchTST.

    Shapes: `body` (samples, horizon, 1).
    """
    window = _window(sizes)
    apart = Channels(sizes.positions, name="channels")(window)
    output = Together(sizes.targets, name="together")(body.call(apart))
    return keras.Model(window, output, name=body.name)


def normalize(body: keras.Model, sizes: Sizes, how: str) -> keras.Model:
    """Take the level out of every window and put it back on the forecast."""
    if how == "none" or max(sizes.positions) < 0 or sizes.task != "regression":
        return body  # a probability has no level
    window = _window(sizes)
    # of each output; where targets have quantiles, of each of them
    each = [position for position in sizes.positions for _ in sizes.levels]
    if how == "last":
        level = LastValue(sizes.positions, name="last_value")(window)  # (samples, 1, targets)
        output = body.call(Relative(sizes.positions, name="relative")(window, level))
        level = LastValue(each, name="levels")(window) if each else level
    elif how == "seasonal":
        check_season(sizes, "model.normalization=seasonal")
        level, scale = Deviations(sizes.positions, name="deviations")(window)
        output = body.call(Relative(sizes.positions, name="relative")(window, level, scale))
        level, scale = Deviations(each, name="levels")(window) if each else (level, scale)
        output = keras.layers.Multiply(name="scale")([output, scale])
        level = SeasonBefore(
            each or sizes.positions, sizes.season, sizes.horizon, sizes.lead, name="last_season"
        )(window)
    else:
        level, scale = Moments(sizes.positions, name="moments")(window)
        output = body.call(Relative(sizes.positions, name="relative")(window, level, scale))
        level, scale = Moments(each, name="levels")(window) if each else (level, scale)
        output = keras.layers.Multiply(name="scale")([output, scale])
    output = AddLevel(name="level")([output, level])
    return keras.Model(window, output, name=body.name)


@keras.saving.register_keras_serializable("forecast")
class AddLevel(keras.layers.Layer):
    """Add to every step of a forecast its sample's level, (samples, 1 or horizon, targets).

    The `Add` of Keras takes a column of as many samples as there are steps for a bias of these
    steps: a batch as large as the horizon would then get the levels of other samples.
    """

    def call(self, inputs: Any) -> Any:
        """Subtract what is to be added, which Keras does as it is written."""
        forecast, level = inputs
        return ops.subtract(forecast, ops.negative(level))


def mended(model: keras.Model) -> keras.Model:
    """Return a model read from a file with levels that `AddLevel` adds, as older ones do not."""
    if not any(type(layer) is keras.layers.Add and layer.name == "level" for layer in model.layers):
        return model

    def own(layer: keras.layers.Layer) -> keras.layers.Layer:
        kind = (
            AddLevel if type(layer) is keras.layers.Add and layer.name == "level" else type(layer)
        )
        return kind.from_config(layer.get_config())

    found = keras.models.clone_model(model, clone_function=own)
    found.set_weights(model.get_weights())
    return found


def learn_cycle(body: keras.Model, sizes: Sizes, rows: int) -> keras.Model:
    """Take a learned cycle out of every window, and put it back on the forecast.

    Source: residual cycle forecasting of CycleNet (Lin et al. 2024). Each target has a value for
    every place in the cycle, zero at first.

    Shapes: `body` (samples, timesteps, features - 1).
    """
    if sizes.cycle != rows:
        raise InputError(
            f"model.cycle={rows} must have each row's place in it as a feature, told by "
            f"Sizes.cycle, got {sizes.cycle}: put it there, or set model.cycle=null"
        )
    if sizes.task != "regression":
        raise InputError(
            f"model.cycle must be null where probabilities are predicted, got {rows}: they have "
            "no level that a cycle could be added to"
        )
    window = _window(sizes)
    of_window, of_steps = Cycle(rows, sizes.targets, sizes.horizon, sizes.lead, name="cycle")(
        window
    )
    left = Relative(sizes.positions, name="less_cycle")(window, of_window)
    output = body.call(Cut(0, sizes.features - 1, name="less_place")(left))
    if sizes.levels:
        of_steps = Repeated(len(sizes.levels), name="cycle_levels")(of_steps)
    output = keras.layers.Add(name="plus_cycle")([output, of_steps])
    return keras.Model(window, output, name=body.name)


def check_season(sizes: Sizes, asked: str) -> None:
    """Refuse a window that does not hold the season that a setting repeats."""
    if sizes.season > sizes.timesteps:
        raise InputError(
            f"{asked} must have a whole season of {sizes.season} rows in the window, got "
            f"window.timesteps={sizes.timesteps}: set window.timesteps={sizes.season} or more, or "
            "a shorter model.season"
        )


def linear_path(body: keras.Model, sizes: Sizes, beside: int = 0) -> keras.Model:
    """Add a linear map of the whole window to the body's forecast, not to what stands beside it.

    The network then learns what a linear model leaves over: the autoregressive component of LSTNet
    (Lai et al. 2018, equation 8), here over all features.
    """
    window = _window(sizes)
    flat = keras.layers.Flatten(name="flat_window")(window)  # (samples, timesteps·features)
    linear = keras.layers.Dense(
        sizes.horizon * sizes.targets, kernel_initializer="zeros", name="linear_path"
    )(flat)
    linear = keras.layers.Reshape((sizes.horizon, sizes.targets), name="linear_steps")(linear)
    output = body.call(window)
    if not beside:
        output = keras.layers.Add(name="linear_sum")([output, linear])
        return keras.Model(window, output, name=body.name)
    forecast, state = _parted(output, sizes.targets, "linear")
    total = keras.layers.Add(name="linear_sum")([forecast, linear])
    output = keras.layers.Concatenate(name="linear_beside")([total, state])
    return keras.Model(window, output, name=body.name)


def known_future(body: keras.Model, sizes: Sizes, units: int) -> keras.Model:
    """Correct each step of the forecast by what is known of that step.

    Source: the temporal decoder of TiDE (Das et al. 2023): for every step ahead the same two dense
    layers read its forecast and its known columns. What they give is added, and is zero at first.
    """
    window = _window(sizes)
    forecast = body.call(window)
    known = KnownAhead(sizes.ahead, sizes.horizon, sizes.indicators, name="known_ahead")(window)
    both = keras.layers.Concatenate(name="known_beside")([forecast, known])
    hidden = keras.layers.Dense(units, activation="relu", name="known_hidden")(both)
    more = keras.layers.Dense(sizes.targets, kernel_initializer="zeros", name="known_out")(hidden)
    output = keras.layers.Add(name="known_sum")([forecast, more])
    return keras.Model(window, output, name=body.name)


def decode(body: keras.Model, sizes: Sizes, units: int) -> keras.Model:
    """Correct each step of the forecast by the network's state, a season before, what is known.

    Source: the temporal decoder of TiDE (Das et al. 2023), which reads a vector that the encoder
    makes for each step: here `units` numbers that the body makes beside its forecast. The window's
    values a season before the step are those of the targets, and of the columns known ahead, so
    that the decoder sees by how much these differ. What it gives is added, and is zero at first.

    Shapes: `body` (samples, horizon, targets + units).
    """
    check_season(sizes, "model.decoder=state")
    window = _window(sizes)
    forecast, state = _parted(body.call(window), sizes.targets, "step")
    parts, places = [forecast, state], [p for p in (*sizes.positions, *sizes.known) if p >= 0]
    if places:
        steps = sizes.horizon, sizes.lead
        parts.append(SeasonBefore(places, sizes.season, *steps, name="season_before")(window))
    if sizes.ahead:
        known = KnownAhead(sizes.ahead, sizes.horizon, sizes.indicators, name="known_ahead")
        parts.append(known(window))
    seen = keras.layers.Concatenate(name="known_beside")(parts)
    hidden = keras.layers.Dense(units, activation="relu", name="known_hidden")(seen)
    more = keras.layers.Dense(sizes.targets, kernel_initializer="zeros", name="known_out")(hidden)
    output = keras.layers.Add(name="known_sum")([forecast, more])
    return keras.Model(window, output, name=body.name)


def tell_series(body: keras.Model, sizes: Sizes, values: int) -> keras.Model:
    """Replace the number of the series by learned values that stand beside every step."""
    window = _window(sizes)
    number = SeriesNumber(name="series_number")(window)  # (samples,)
    learned = keras.layers.Embedding(sizes.series, values, name="series_embedding")(number)
    last = sizes.ahead + sizes.indicators + bool(sizes.cycle)
    embedded = SeriesColumns(last, name="series_columns")(window, learned)
    return keras.Model(window, body.call(embedded), name=body.name)


def _parted(output: keras.KerasTensor, targets: int, name: str) -> list[keras.KerasTensor]:
    """Part a body's forecast from the numbers that it makes beside it."""
    forecast = Cut(0, targets, name=f"{name}_forecast")(output)
    return [forecast, Cut(targets, output.shape[-1], name=f"{name}_state")(output)]


def _with_series(sizes: Sizes, repairs: Repairs) -> Sizes:
    """Return the sizes of the network that sees learned values for the number of its series."""
    if repairs.series_embedding is None:
        return sizes
    if not sizes.series:
        raise InputError(
            f"model.series_embedding={repairs.series_embedding} must have the number of series in "
            "Sizes.series, got 0: say how many there are, or set model.series_embedding=null"
        )
    return replace(sizes, features=sizes.features - 1 + repairs.series_embedding, series=0)


def _without_place(sizes: Sizes) -> Sizes:
    """Return the sizes of the network that sees no place in a cycle."""
    return replace(sizes, features=sizes.features - 1, cycle=0) if sizes.cycle else sizes


def _of_one(sizes: Sizes, repairs: Repairs) -> Sizes:
    """Return the sizes of the network within: each output a target, of one channel if shared."""
    if repairs.channels == "joint":
        own = sizes.positions
        joint = replace(sizes, targets=sizes.outputs, target_positions=own)
        return replace(joint, levels=(), task="regression")
    others = [place for place in range(sizes.features) if place not in sizes.positions]
    known = tuple(1 + others.index(place) for place in sizes.known)
    one = replace(sizes, features=1 + len(others), targets=1, target_positions=(0,), known=known)
    return replace(one, targets=one.outputs, levels=(), task="regression")


def _patched(sizes: Sizes, rows: int) -> Sizes:
    """Return the sizes of a network that reads `rows` rows as one step."""
    steps = -(-sizes.timesteps // rows)
    if rows == 1:
        return sizes
    return replace(sizes, timesteps=steps, features=rows * sizes.features, indicators=0, ahead=0)


def _window(sizes: Sizes) -> keras.KerasTensor:
    """Return the input of a model, (samples, timesteps, features)."""
    return keras.Input((sizes.timesteps, sizes.features), name="window")
