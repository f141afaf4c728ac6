"""Training: the compiled epoch and the estimator around it."""
