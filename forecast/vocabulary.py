"""What settings may be, where that is a closed list of names; it imports nothing.

What checks a setting reads its names here, and the completion of a line offers them. What Keras
chooses by name stands here for the completion alone.
"""

from collections.abc import Mapping

MISSING = ("drop", "hold", "mask")
DUPLICATES = ("refuse", "first", "last")
WIDE = ("columns", "rows")
HOW = ("mean", "sum", "min", "max", "median", "first", "last", "nearest")
CALENDAR = (
    *("hour", "weekday", "year", "week", "month", "quarter"),
    *("hour_onehot", "weekday_onehot", "weekend", "holiday"),
)
FORMATS = ("csv", "parquet", "feather", "jsonl")
TRANSFORMS = ("log", "log1p", "sqrt", "boxcox")
SCALING = ("series", "global")
SCHEDULES = ("CosineDecay", "ExponentialDecay")
BASELINES = (
    "persistence",
    "seasonal_naive",
    "drift",
    "moving_average",
    "auto_ets",
    "auto_arima",
    "theta",
    "boosted_trees",
)
CALIBRATIONS = ("split", "cqr", "adaptive")
SCHEMES = ("expanding", "rolling")
STRATEGIES = ("grid", "random", "halving", "tpe")
RESOURCES = ("epochs", "rows")

LOSSES = (
    "BinaryCrossentropy",
    "BinaryFocalCrossentropy",
    "CTC",
    "CategoricalCrossentropy",
    "CategoricalFocalCrossentropy",
    "CategoricalGeneralizedCrossEntropy",
    "CategoricalHinge",
    "Circle",
    "CosineSimilarity",
    "Dice",
    "Hinge",
    "Huber",
    "KLDivergence",
    "LogCosh",
    "MeanAbsoluteError",
    "MeanAbsolutePercentageError",
    "MeanSquaredError",
    "MeanSquaredLogarithmicError",
    "Poisson",
    "SparseCategoricalCrossentropy",
    "SquaredHinge",
    "Tversky",
)
METRICS = (
    "AUC",
    "Accuracy",
    "BinaryAccuracy",
    "BinaryCrossentropy",
    "BinaryIoU",
    "CategoricalAccuracy",
    "CategoricalCrossentropy",
    "CategoricalHinge",
    "ConcordanceCorrelation",
    "CosineSimilarity",
    "F1Score",
    "FBetaScore",
    "FalseNegatives",
    "FalsePositives",
    "Hinge",
    "IoU",
    "KLDivergence",
    "LogCoshError",
    "Mean",
    "MeanAbsoluteError",
    "MeanAbsolutePercentageError",
    "MeanIoU",
    "MeanMetricWrapper",
    "MeanSquaredError",
    "MeanSquaredLogarithmicError",
    "OneHotIoU",
    "OneHotMeanIoU",
    "PearsonCorrelation",
    "Poisson",
    "Precision",
    "PrecisionAtRecall",
    "R2Score",
    "Recall",
    "RecallAtPrecision",
    "RootMeanSquaredError",
    "SensitivityAtSpecificity",
    "SparseCategoricalAccuracy",
    "SparseCategoricalCrossentropy",
    "SparseTopKCategoricalAccuracy",
    "SpecificityAtSensitivity",
    "SquaredHinge",
    "Sum",
    "TopKCategoricalAccuracy",
    "TrueNegatives",
    "TruePositives",
)
OPTIMIZERS = (
    "Adadelta",
    "Adafactor",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "Ftrl",
    "Lamb",
    "Lion",
    "Muon",
    "Nadam",
    "RMSprop",
    "SGD",
    "ScheduleFreeAdamW",
)

COMPARED = ("train", "candidate", "backtest")
"""Kinds of runs of which `forecast compare` reads an experiment."""

VALUES: Mapping[str, tuple[str, ...]] = {
    "data.calendar": CALENDAR,
    "data.duplicates": DUPLICATES,
    "data.wide": WIDE,
    "data.format": FORMATS,
    "data.known_future": CALENDAR,
    "data.missing": MISSING,
    "data.transform": TRANSFORMS,
    "training.loss": LOSSES,
    "training.metrics": METRICS,
    "training.optimizer": OPTIMIZERS,
    "training.scaling": SCALING,
    "training.schedule": SCHEDULES,
    "evaluation.baselines": BASELINES,
    "evaluation.calibration": CALIBRATIONS,
    "backtest.scheme": SCHEMES,
    "sweep.strategy": STRATEGIES,
    "sweep.resource": RESOURCES,
    "kind": COMPARED,
}
"""Key of the configuration to its names."""
