"""MLflow's server with our start page: `mlflow server --app-name forecast`."""
