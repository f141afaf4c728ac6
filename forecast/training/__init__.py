"""Training: the compiled epoch and the estimator around it."""

from forecast import process as process  # before TensorFlow is imported
