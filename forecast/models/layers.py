"""Keras layers that several architectures share: levels, channels, series, known future."""

import inspect
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops


class Layer(keras.layers.Layer):
    """A layer that keeps each argument of its constructor as an attribute of the same name.

    So Keras can save and load it safely: no Lambda, no pickled code.
    """

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        taken = inspect.signature(type(self)).parameters
        own = {name: getattr(self, name) for name in taken if name != "kwargs"}
        return super().get_config() | own


class OfTargets(Layer):
    """A layer that knows where the targets stand among the features."""

    def __init__(self, positions: Sequence[int], **kwargs: Any):
        super().__init__(**kwargs)
        self.positions = tuple(positions)


@keras.saving.register_keras_serializable("forecast")
class LastValue(OfTargets):
    """Read each target at the origin: (samples, timesteps, features) to (samples, 1, targets).

    A target that is no input has 0.
    """

    def call(self, x: Any) -> Any:
        """Gather the columns of the newest step."""
        return columns(x[:, -1:], self.positions)


@keras.saving.register_keras_serializable("forecast")
class Moments(OfTargets):
    """Mean and deviation of each target in a window, both (samples, 1, targets).

    A target that is no input has 0 and 1.
    """

    def call(self, x: Any) -> tuple[Any, Any]:
        """Average over the steps; the small term keeps a constant window finite."""
        scale = ops.sqrt(ops.var(x, axis=1, keepdims=True) + 1e-5)
        return (
            columns(ops.mean(x, axis=1, keepdims=True), self.positions),
            columns(scale, self.positions, absent=1.0),
        )


@keras.saving.register_keras_serializable("forecast")
class Deviations(OfTargets):
    """Mean and mean absolute deviation of each target in a window, both (samples, 1, targets).

    A target that is no input has 0 and 1.
    """

    def call(self, x: Any) -> tuple[Any, Any]:
        """Average over the steps; the small term keeps a constant window finite."""
        level = ops.mean(x, axis=1, keepdims=True)
        scale = ops.mean(ops.abs(x - level), axis=1, keepdims=True) + 1e-2
        return columns(level, self.positions), columns(scale, self.positions, absent=1.0)


@keras.saving.register_keras_serializable("forecast")
class SeasonBefore(OfTargets):
    """Read columns at the newest rows that lie whole seasons before each predicted row.

    (samples, timesteps, features) to (samples, horizon, positions). A target that is no input has
    0.
    """

    def __init__(
        self, positions: Sequence[int], season: int, horizon: int, lead: int = 0, **kwargs: Any
    ):
        super().__init__(positions, **kwargs)
        self.season = season
        self.horizon = horizon
        self.lead = lead

    def call(self, x: Any) -> Any:
        """Repeat the last season of the window."""
        last = columns(x[:, -self.season :], self.positions)
        copies = -(-(self.lead + self.horizon) // self.season)
        return ops.tile(last, (1, copies, 1))[:, self.lead : self.lead + self.horizon]


@keras.saving.register_keras_serializable("forecast")
class Cut(Layer):
    """Keep some columns of every step: (samples, steps, columns) to (samples, steps, kept)."""

    def __init__(self, first: int, last: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.first = first
        self.last = last

    def call(self, x: Any) -> Any:
        """Keep those from the first to before the last."""
        return x[:, :, self.first : self.last]


@keras.saving.register_keras_serializable("forecast")
class Repeated(Layer):
    """Repeat every column: (samples, steps, targets) to (samples, steps, targets·levels)."""

    def __init__(self, levels: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.levels = levels

    def call(self, x: Any) -> Any:
        """Put the copies side by side."""
        return ops.repeat(x, self.levels, axis=-1)


@keras.saving.register_keras_serializable("forecast")
class Relative(OfTargets):
    """Write the targets' columns of a window relative to their level, and their scale if given.

    Both are (samples, 1, targets), or have values of their own for every step.
    """

    def call(self, x: Any, level: Any, scale: Any = None) -> Any:
        """Change the targets' columns of every step."""
        own = {position: target for target, position in enumerate(self.positions)}
        of_feature = [own.get(feature, -1) for feature in range(x.shape[-1])]
        x = x - columns(level, of_feature)
        return x if scale is None else x / columns(scale, of_feature, absent=1.0)


def columns(x: Any, positions: Sequence[int], absent: float = 0.0) -> Any:
    """Pick columns by position.

    Shapes: `x` (samples, steps, columns); returns (samples, steps, wanted).
    """
    if list(positions) == list(range(x.shape[-1])):
        return x
    nothing = ops.zeros_like(x[:, :, :1]) + absent
    return ops.concatenate([x[:, :, p : p + 1] if p >= 0 else nothing for p in positions], axis=-1)


@keras.saving.register_keras_serializable("forecast")
class Channels(OfTargets):
    """Make every target a sample of its own, with the features that are no target beside it.

    (samples, timesteps, features) to (samples·targets, timesteps, 1 + others); the targets of one
    window stand together. A target that is no input is zeros.
    """

    def call(self, x: Any) -> Any:
        """Gather each target's columns."""
        own = ops.transpose(columns(x, self.positions), (0, 2, 1))  # (samples, targets, timesteps)
        apart = own[..., None]
        others = [f for f in range(x.shape[-1]) if f not in self.positions]
        if others:
            beside = ops.repeat(columns(x, others)[:, None], len(self.positions), axis=1)
            apart = ops.concatenate([apart, beside], axis=-1)
        return ops.reshape(apart, (-1, *apart.shape[2:]))  # samples and targets merged


@keras.saving.register_keras_serializable("forecast")
class Together(Layer):
    """Put the targets of one window back together: the inverse of `Channels` for forecasts.

    (samples·targets, horizon, levels) to (samples, horizon, targets·levels); one level is a value.
    """

    def __init__(self, targets: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.targets = targets

    def call(self, x: Any) -> Any:
        """Turn samples into targets."""
        _, horizon, levels = x.shape
        apart = ops.reshape(x, (-1, self.targets, horizon, levels))
        return ops.reshape(ops.transpose(apart, (0, 2, 1, 3)), (-1, horizon, self.targets * levels))


@keras.saving.register_keras_serializable("forecast")
class Patches(Layer):
    """Write neighbouring rows side by side, as one step.

    (samples, timesteps, features) to (samples, ⌈timesteps / rows⌉, rows·features), oldest row
    first; where the timesteps are no multiple, the oldest row is repeated before the window.
    """

    def __init__(self, rows: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.rows = rows

    def call(self, x: Any) -> Any:
        """Fill up and reshape."""
        x = fill_rows(x, self.rows)
        return ops.reshape(x, (-1, x.shape[1] // self.rows, self.rows * x.shape[2]))


@keras.saving.register_keras_serializable("forecast")
class Periods(Layer):
    """Make every period of a window a sample.

    (samples, timesteps, features) to (samples·periods, rows, features).
    """

    def __init__(self, rows: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.rows = rows

    def call(self, x: Any) -> Any:
        """Fill up and cut."""
        return ops.reshape(fill_rows(x, self.rows), (-1, self.rows, x.shape[2]))


@keras.saving.register_keras_serializable("forecast")
class InOrder(Layer):
    """Make the states of a window's parts a sequence again.

    (samples·parts, units) to (samples, parts, units).
    """

    def __init__(self, parts: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.parts = parts

    def call(self, x: Any) -> Any:
        """Turn samples into steps."""
        return ops.reshape(x, (-1, self.parts, x.shape[-1]))


def fill_rows(x: Any, rows: int) -> Any:
    """Repeat the oldest row before a window until its length is a multiple of `rows`."""
    short = -x.shape[1] % rows
    return ops.concatenate([x[:, :1]] * short + [x], axis=1) if short else x


@keras.saving.register_keras_serializable("forecast")
class SeriesNumber(Layer):
    """Read the number of the series: the last column at the origin.

    (samples, timesteps, features) to (samples,) int32.
    """

    def __init__(self, **kwargs: Any):
        super().__init__(**kwargs)

    def call(self, x: Any) -> Any:
        """Read one value of each window."""
        return ops.cast(x[:, -1, -1], "int32")


@keras.saving.register_keras_serializable("forecast")
class SeriesColumns(Layer):
    """Put learned values in the place of the number of the series.

    (samples, timesteps, features) and (samples, values) to (samples, timesteps, features − 1 +
    values).
    """

    def __init__(self, last: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.last = last

    def call(self, x: Any, learned: Any) -> Any:
        """Repeat the values at every step."""
        cut = x.shape[2] - 1 - self.last
        beside = ops.repeat(learned[:, None], x.shape[1], axis=1)
        return ops.concatenate([x[:, :, :cut], beside, x[:, :, cut:-1]], axis=-1)


@keras.saving.register_keras_serializable("forecast")
class Cycle(Layer):
    """Look up a learned cycle: a window to its values at the window's rows, and at those predicted.

    (samples, timesteps, features) to (samples, timesteps, targets) and (samples, horizon, targets);
    the last feature is the place of each row in the cycle.
    """

    def __init__(self, cycle: int, targets: int, horizon: int, lead: int = 0, **kwargs: Any):
        super().__init__(**kwargs)
        self.cycle = cycle
        self.targets = targets
        self.horizon = horizon
        self.lead = lead

    def build(self, input_shape: Any) -> None:
        """Make room for a value of each place and target, (cycle, targets)."""
        del input_shape
        self.values = self.add_weight(
            shape=(self.cycle, self.targets), initializer="zeros", name="values"
        )

    def call(self, x: Any) -> tuple[Any, Any]:
        """Count from the place of the origin, since rows of a window are neighbours."""
        origin = ops.cast(x[:, -1:, -1], "int32")  # (samples, 1)
        begin = 1 + self.lead
        rows = [*range(1 - x.shape[1], 1), *range(begin, begin + self.horizon)]
        places = ops.mod(origin + ops.convert_to_tensor(rows, "int32"), self.cycle)
        found = ops.take(self.values, places, axis=0)  # (samples, timesteps + horizon, targets)
        return found[:, : x.shape[1]], found[:, x.shape[1] :]


def cycle_of(model: keras.Model) -> int:
    """Return the rows of the cycle whose places a model reads, 0 where it reads none."""
    own = networks_of(model)[0].layers
    return next((layer.cycle for layer in own if isinstance(layer, Cycle)), 0)


@keras.saving.register_keras_serializable("forecast")
class MeanForecast(keras.layers.Average):
    """Average the forecasts of several networks, each (samples, horizon, outputs).

    Quantiles that rise in each rise in the mean, since all are added up in one order, and
    probabilities of classes still add up to 1.
    """


def mean_of(networks: Sequence[keras.Model]) -> keras.Model:
    """Make one model of several that map the same; they are part of it under names of their own.

    Returns (samples, timesteps, features) to (samples, horizon, outputs); one stays what it is.
    """
    if len(networks) == 1:
        return networks[0]
    name = networks[0].name
    window = keras.Input(networks[0].input_shape[1:], name="window")
    for number, network in enumerate(networks, start=1):
        network.name = f"network_{number}"
    forecasts = [network(window) for network in networks]
    return keras.Model(window, MeanForecast(name="mean")(forecasts), name=name)


def networks_of(model: keras.Model) -> list[keras.Model]:
    """List the networks that a model averages; any other model is the only one."""
    own = list(model.layers)
    if own and isinstance(own[-1], MeanForecast):
        return [layer for layer in own if isinstance(layer, keras.Model)]
    return [model]


def reads_series_number(model: keras.Model) -> bool:
    """Tell whether a model reads the number of the series."""
    return any(isinstance(layer, SeriesNumber) for layer in networks_of(model)[0].layers)


def embedding_size(model: keras.Model) -> int:
    """Count the learned values that stand for a series in a model."""
    own = networks_of(model)[0].layers
    learned = [layer for layer in own if layer.name == "series_embedding"]
    return learned[0].output_dim if learned and reads_series_number(model) else 0


@keras.saving.register_keras_serializable("forecast")
class KnownAhead(Layer):
    """Cut the known columns of the predicted rows out of a window.

    (samples, timesteps, features) to (samples, horizon, known columns).

    `forecast.data.features` puts them there: ⌈horizon / timesteps⌉ copies side by side, the first
    of which holds the newest rows.
    """

    def __init__(self, ahead: int, horizon: int, indicators: int = 0, **kwargs: Any):
        super().__init__(**kwargs)
        self.ahead = ahead
        self.horizon = horizon
        self.indicators = indicators

    def call(self, x: Any) -> Any:
        """Put the copies behind each other, oldest first, and keep the newest rows."""
        copies = -(-self.horizon // x.shape[1])
        known, last = self.ahead // copies, x.shape[2] - self.indicators
        first = [last - (copies - j) * known for j in reversed(range(copies))]
        steps = ops.concatenate([x[:, :, begin : begin + known] for begin in first], axis=1)
        return steps[:, -self.horizon :]


@keras.saving.register_keras_serializable("forecast")
class KnownSteps(Layer):
    """Tell at which steps anything is known.

    (samples, timesteps, features) to (samples, timesteps).

    It reads the columns that say what is missing, and never a filled value.
    """

    def __init__(self, indicators: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.indicators = indicators

    def call(self, x: Any) -> Any:
        """Return True where one of the features is there."""
        return ops.any(x[:, :, -self.indicators :] < 0.5, axis=-1)
