"""The code that MLflow runs to serve a bundle: a model from code, so nothing is pickled."""

from typing import Any

import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc import PythonModel, PythonModelContext

from forecast.serving.bundle import load


class ServedForecast(PythonModel):
    """Raw rows in, tidy forecasts out."""

    def load_context(self, context: PythonModelContext) -> None:
        """Read the bundle beside this code."""
        self.bundle = load(context.artifacts["bundle"])

    def predict(
        self,
        context: PythonModelContext,
        model_input: pd.DataFrame,
        params: dict[str, Any] | None = None,
    ) -> pd.DataFrame:
        """Forecast what follows the rows.

        Args:
            context: Not used after loading.
            model_input: Raw rows, (rows, columns).
            params: Not used.

        Returns:
            series, origin, time, step, target, forecast, and where it has them lower, upper
            and quantiles.
        """
        del context, params
        return self.bundle.predict(pd.DataFrame(model_input))


set_model(ServedForecast())
