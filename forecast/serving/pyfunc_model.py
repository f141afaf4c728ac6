"""The code that MLflow runs to serve a bundle: a model from code, so nothing is pickled."""

from typing import Any

import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.models import set_model
from mlflow.pyfunc import PythonModel, PythonModelContext

try:
    from forecast.errors import InputError
    from forecast.serving.bundle import load
except ImportError as error:  # this file is copied into the model, and may be read elsewhere
    raise ImportError(
        "the environment must have forecast-lab, with which this model was trained, and does not: "
        "install its wheel, or a checkout with `pip install .`"
    ) from error


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

        Shapes: `model_input` (rows, columns).
        """
        del context, params
        try:
            return self.bundle.predict(pd.DataFrame(model_input))
        except InputError as error:
            raise MlflowException.invalid_parameter_value(str(error)) from error


set_model(ServedForecast())
