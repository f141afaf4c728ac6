"""What is compared, on which sizes, and the bar that was set: plain data that imports fast."""

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Sizes:
    """Data and network of a comparison.

    Attributes:
        rows: Rows of one series.
        features: Columns; the first is the target.
        timesteps: Look-back.
        batch: Windows a step.
        net: Which network, see `ours.NETS` and `rivals.NETS`.
    """

    rows: int
    features: int
    timesteps: int
    batch: int
    net: str = ""

    @property
    def windows(self) -> int:
        """Windows of horizon 1."""
        return self.rows - self.timesteps


@dataclass(frozen=True)
class Case:
    """One comparison; the ratio is the rival's seconds by ours.

    Attributes:
        text: What is measured, for the table.
        ours: Function of `ours`.
        rival: Function of `rivals`.
        sizes: Of both sides.
        bar: Least ratio.
        reach: Ratio hoped for.
    """

    text: str
    ours: str
    rival: str
    sizes: Sizes
    bar: float
    reach: float


LSTM_32 = Sizes(16_000, 5, 24, 64, "lstm_32")
LSTM_120 = Sizes(8_000, 5, 24, 64, "lstm_120_100_50")
LONG = Sizes(420_000, 14, 120, 128)

CASES = {
    "windows": Case(
        "one shuffled epoch of windows, gathered inside a compiled loop, against "
        "`timeseries_dataset_from_array`",
        "gather_epoch",
        "timeseries_dataset_epoch",
        LONG,
        50,
        100,
    ),
    "dataset": Case(
        "the same of 42,000 rows through `windows.dataset`",
        "dataset_epoch",
        "timeseries_dataset_epoch",
        replace(LONG, rows=42_000),
        50,
        100,
    ),
    "lstm": Case(
        "training LSTM(32)+Dense, 24 timesteps, against `model.fit`",
        "train",
        "fit",
        LSTM_32,
        4,
        6,
    ),
    "lstm_120": Case(
        "training LSTM(120)+Dense(100, 50), 24 timesteps, against `model.fit`",
        "train",
        "fit",
        LSTM_120,
        1.5,
        2,
    ),
    "torch": Case(
        "the same against a plain PyTorch loop, one thread each",
        "train",
        "torch_loop",
        LSTM_120,
        1.0,
        1.3,
    ),
    "gru": Case(
        "training GRU(32), 72 timesteps, against `model.fit`",
        "train",
        "fit",
        Sizes(6_000, 5, 72, 64, "gru_32"),
        4,
        6,
    ),
    "causal_cnn": Case(
        "training a causal CNN (6 residual layers, dilations 1–32, 72 timesteps) against "
        "`model.fit`",
        "train",
        "fit",
        Sizes(6_000, 5, 72, 64, "causal_cnn"),
        1.8,
        4,
    ),
    "series": Case(
        "causal CNN (receptive field 127 of 128 timesteps) scoring every window of a series "
        "against `model.predict`",
        "predict",
        "predict",
        Sizes(20_000, 5, 128, 1024, "causal_cnn"),
        10,
        30,
    ),
    "predict": Case(
        "predicting with LSTM(32), 24 timesteps, against `model.predict(batch_size=1024)`",
        "predict",
        "predict",
        Sizes(100_000, 5, 24, 1024, "lstm_32"),
        2,
        4,
    ),
}
