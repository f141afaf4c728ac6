"""MLflow: every run, every epoch, every picture."""

from forecast import process as process  # before TensorFlow is imported
