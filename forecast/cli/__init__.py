"""The command line: the only place that knows Hydra and prints."""

from forecast import process as process  # before TensorFlow is imported
