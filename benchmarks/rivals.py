"""The other side: what people write today, with the settings that they come with."""

from collections.abc import Callable

import numpy as np

from benchmarks.cases import Sizes

Work = Callable[[], object]


def data(sizes: Sizes) -> tuple[np.ndarray, np.ndarray]:
    """Make all windows, (windows, timesteps, features), and their targets, (windows, 1)."""
    values = np.random.default_rng(0).normal(size=(sizes.rows, sizes.features)).astype("float32")
    cut = np.lib.stride_tricks.sliding_window_view(values, sizes.timesteps, axis=0)
    return np.ascontiguousarray(cut[: sizes.windows].swapaxes(1, 2)), values[sizes.timesteps :, :1]


def network(sizes: Sizes):  # noqa: ANN201, which would import Keras
    """Build the network of a comparison from Keras's own layers."""
    import keras
    from keras import layers as kl

    window = x = keras.Input((sizes.timesteps, sizes.features))
    if sizes.net == "lstm_32":
        x = kl.LSTM(32)(x)
    elif sizes.net == "lstm_120_100_50":
        x = kl.Dense(50, "relu")(kl.Dense(100, "relu")(kl.LSTM(120)(x)))
    elif sizes.net == "gru_32":
        x = kl.GRU(32)(x)
    elif sizes.net == "causal_cnn":
        for dilation in (1, 2, 4, 8, 16, 32):
            y = kl.Conv1D(32, 3, padding="causal", dilation_rate=dilation, activation="relu")(x)
            x = kl.Add()([y, x if x.shape[-1] == 32 else kl.Conv1D(32, 1)(x)])
        x = x[:, -1]
    return keras.Model(window, kl.Dense(1)(x))


def fit(sizes: Sizes) -> Work:
    """Train one epoch with `model.fit`."""
    x, y = data(sizes)
    model = network(sizes)
    model.compile(optimizer="adam", loss="mae")
    return lambda: model.fit(x, y, batch_size=sizes.batch, epochs=1, verbose=0)


def predict(sizes: Sizes) -> Work:
    """Predict every window with `model.predict`."""
    x, _ = data(sizes)
    model = network(sizes)
    return lambda: model.predict(x, batch_size=sizes.batch, verbose=0)


def timeseries_dataset_epoch(sizes: Sizes) -> Work:
    """Read every batch of a shuffled epoch of Keras's own windows."""
    import keras

    values = np.random.default_rng(0).normal(size=(sizes.rows, sizes.features)).astype("float32")
    batches = keras.utils.timeseries_dataset_from_array(
        values[:-1],
        values[sizes.timesteps :, :1],
        sizes.timesteps,
        batch_size=sizes.batch,
        shuffle=True,
        seed=0,
    )

    def epoch() -> None:
        for _ in batches:
            pass

    return epoch


def torch_loop(sizes: Sizes) -> Work:
    """Train LSTM(120)+Dense(100, 50) for one epoch in a plain PyTorch loop on one thread."""
    import torch
    from torch import nn

    torch.set_num_threads(1)
    x, y = (torch.from_numpy(part) for part in data(sizes))

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.lstm = nn.LSTM(sizes.features, 120, batch_first=True)
            self.head = nn.Sequential(
                nn.Linear(120, 100), nn.ReLU(), nn.Linear(100, 50), nn.ReLU(), nn.Linear(50, 1)
            )

        def forward(self, window: torch.Tensor) -> torch.Tensor:
            return self.head(self.lstm(window)[0][:, -1])

    net = Net()
    optimizer = torch.optim.Adam(net.parameters())
    loss = nn.L1Loss()

    def epoch() -> None:
        for batch in torch.randperm(len(x)).split(sizes.batch):
            optimizer.zero_grad()
            loss(net(x[batch]), y[batch]).backward()
            optimizer.step()

    return epoch
