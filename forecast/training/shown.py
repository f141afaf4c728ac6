"""What a notebook shows of a fitted forecaster: its window, its layers, its weights."""

from typing import TYPE_CHECKING

import pandas as pd

from forecast.data.card import card, listed
from forecast.data.windows import Window
from forecast.models import explain

if TYPE_CHECKING:
    from forecast.training.forecaster import Forecaster


def html(forecaster: "Forecaster") -> str:
    """Write a fitted forecaster as HTML.

    Args:
        forecaster: Fitted.

    Returns:
        Markup.
    """
    window = forecaster.window or Window()
    facts = {
        "window": f"{window.timesteps} timesteps, then {window.horizon} of the horizon",
        "targets": listed(forecaster.targets_),
        "inputs": listed(forecaster.features_),
        "kept": f"epoch {forecaster.best_epoch_} of {len(forecaster.history_['loss'])}",
        "weights": f"{forecaster.model_.count_params():,}",
    }
    rows = [vars(layer) for layer in explain.layers(forecaster.model_)]
    layers = pd.DataFrame(rows).set_index("name")
    return card(f"Forecaster: {forecaster.model_.name}", facts, layers)
