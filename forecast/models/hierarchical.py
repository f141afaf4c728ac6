"""An LSTM over periods, each of them read by an LSTM."""

import keras

from forecast.models import heads
from forecast.models.catalogue import Hierarchical
from forecast.models.layers import InOrder, Periods
from forecast.models.settings import Sizes


def hierarchical_lstm(sizes: Sizes, settings: Hierarchical = Hierarchical()) -> keras.Model:
    """Read every period with one LSTM, and the sequence of their states with another.

    Source: the hierarchical recurrent encoder of El Hihi & Bengio 1995.

    Args:
        sizes: What the model maps; the oldest period is filled by repeating the oldest row.
        settings: Of both LSTMs.

    Returns:
        (samples, timesteps, features) to (samples, horizon, targets).
    """
    window = keras.Input((sizes.timesteps, sizes.features), name="window")
    x = Periods(settings.period, name="periods")(window)  # (samples·periods, period, features)
    inner = keras.layers.LSTM(settings.inner, name="lstm_1")
    if settings.bidirectional:
        inner = keras.layers.Bidirectional(inner, name="lstm_1")
    x = inner(x)  # (samples·periods, units)
    x = InOrder(-(-sizes.timesteps // settings.period), name="sequence")(x)
    if settings.dropout:
        x = keras.layers.SpatialDropout1D(settings.dropout, name="dropout_1")(x)
    x = keras.layers.LSTM(settings.outer, name="lstm_2")(x)  # (samples, outer)
    if settings.dropout:
        x = keras.layers.Dropout(settings.dropout, name="dropout_2")(x)
    output = heads.point(x, sizes, dense=settings.dense, activation="relu")
    return keras.Model(window, output, name="hierarchical_lstm")
