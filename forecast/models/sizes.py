"""The sizes a model is made for."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Sizes:
    """What a model maps: (samples, timesteps, features) to (samples, horizon, outputs).

    Outputs are the targets, or the quantiles of each.

    Attributes:
        timesteps: Look-back, rows.
        features: Input columns.
        horizon: Rows predicted.
        targets: Output columns.
        target_positions: Where each target stands among the features, -1 for one that is no input;
            empty means the first columns.
        indicators: How many of the last features say, by 1, that a feature is missing.
        ahead: How many features, directly before those, are values of later rows (see
            `forecast.data.features`).
        series: How many series there are, where the model asked for the number of a row's series:
            it is then the very last feature. 0 means that there is no such column.
        levels: Quantiles predicted of each target, rising; empty means one value.
        task: "regression", "event" (each output a probability) or "classes" (they sum to 1).
    """

    timesteps: int
    features: int
    horizon: int
    targets: int = 1
    target_positions: tuple[int, ...] = ()
    indicators: int = 0
    ahead: int = 0
    series: int = 0
    levels: tuple[float, ...] = ()
    task: str = "regression"

    @property
    def positions(self) -> tuple[int, ...]:
        """Position of every target among the features, (targets,)."""
        return self.target_positions or tuple(range(self.targets))

    @property
    def outputs(self) -> int:
        """Output columns: the quantiles of a target stand together, (targets·levels)."""
        return self.targets * max(1, len(self.levels))
