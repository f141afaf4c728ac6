"""The sweep that everyone writes: Keras's `fit` in joblib, two processes, scores in a list."""

import json
import os
import sys

import numpy as np

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
EPOCHS, BATCH, FOLDS, TIMESTEPS, HORIZON = 20, 64, 3, 48, 24
UNITS, RATES = (16, 32), (5e-4, 1e-3, 2e-3, 4e-3)
QUESTION = [f"window.timesteps={TIMESTEPS}", f"window.horizon={HORIZON}"]
Arrays = dict[str, np.ndarray]


def folds() -> list[Arrays]:
    """Write out the windows of every fold: the same rows, scale and stopping tail as ours."""
    from forecast import Folds
    from forecast.cli.config import compose
    from forecast.data import samples, scale, split, windows
    from forecast.workflows import load

    settings = compose.compose(QUESTION).settings
    table, spec = load.load(settings).table, load.spec(settings)
    window, found = spec.window, []
    test = split.holdout(table, spec.validation, spec.test).test_rows(table)
    given = np.flatnonzero(~test)
    for learned, scored in Folds(FOLDS).split(table.take(~test)):
        rows, ahead = np.zeros((2, len(table)), bool)
        rows[given[learned]], ahead[given[scored]] = True, True
        stopping = samples.stopping_rows(table, rows, spec.training.tail)
        scaler = scale.fit(table.take(rows & ~stopping), spec.scaling)
        x, y = scaler.inputs(table).astype("float32"), scaler.outputs(table).astype("float32")
        parts: Arrays = {}
        dealt = samples.early_stopping_split(table, window, rows, stopping)
        for name, starts in (
            ("train", dealt[0]),
            ("stop", dealt[1]),
            ("test", windows.starts(table, window, within=ahead)),
        ):
            parts[f"x_{name}"] = x[starts[:, None] + np.arange(TIMESTEPS)]
            parts[f"y_{name}"] = y[starts[:, None] + TIMESTEPS + np.arange(HORIZON)]
        parts["true"] = windows.outputs(table.outputs, starts, window)
        parts["series"] = table.series[starts]
        parts["mean"], parts["deviation"] = scaler.output_mean, scaler.output_std
        found.append(parts)
    return found


def trial(units: int, rate: float, fold: Arrays) -> float:
    """Train one network on one fold and score it."""
    import keras
    from keras import layers as kl

    keras.utils.set_random_seed(0)
    window = keras.Input((TIMESTEPS, fold["x_train"].shape[-1]))
    x = kl.Dense(HORIZON)(kl.LSTM(units)(window))
    model = keras.Model(window, kl.Reshape((HORIZON, 1))(x))
    model.compile(optimizer=keras.optimizers.Adam(rate), loss="mae")
    model.fit(
        fold["x_train"],
        fold["y_train"],
        batch_size=BATCH,
        epochs=EPOCHS,
        validation_data=(fold["x_stop"], fold["y_stop"]),
        callbacks=[keras.callbacks.EarlyStopping(patience=EPOCHS, restore_best_weights=True)],
        verbose=0,
    )
    scaled = model.predict(fold["x_test"], batch_size=256, verbose=0)
    series = fold["series"]
    said = scaled * fold["deviation"][series][:, None] + fold["mean"][series][:, None]
    return float(np.abs(said - fold["true"]).mean())


def main() -> None:
    """Print the scores of all trials, by units, learning rate and fold."""
    from joblib import Parallel, delayed

    every = folds()
    points = [(units, rate, n) for units in UNITS for rate in RATES for n in range(FOLDS)]
    scores = Parallel(n_jobs=2)(delayed(trial)(u, rate, every[n]) for u, rate, n in points)
    told = {f"{u} {rate:g} {n + 1}": mae for (u, rate, n), mae in zip(points, scores, strict=True)}
    sys.stdout.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    main()
