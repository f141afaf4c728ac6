"""The code that MLflow runs to serve a bundle: a model from code, so nothing is pickled."""

import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc import PythonModel, PythonModelContext

from forecast.serving.bundle import load


class ServedForecast(PythonModel):
    """Raw rows in, tidy forecasts out."""

    def load_context(self, context: PythonModelContext) -> None:
        """Read the bundle beside this code."""
        self.bundle = load(context.artifacts["bundle"])

    # MLflow reads annotations of `predict` as a schema of its own; the signature has the real one
    def predict(self, context, model_input, params=None):  # type: ignore[no-untyped-def]
        """Forecast what follows the rows.

        Args:
            context: Not used after loading.
            model_input: Raw rows, (rows, columns).
            params: Not used.

        Returns:
            series, origin, time, step, target, forecast.
        """
        del context, params
        return self.bundle.predict(pd.DataFrame(model_input))


set_model(ServedForecast())
