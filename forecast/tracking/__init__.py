"""MLflow: every run, every epoch, every picture."""
