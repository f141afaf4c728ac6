"""Ridge regression for many penalties at the price of about one."""

from collections.abc import Callable

import numpy as np
from scipy.linalg import cho_factor, cho_solve

PENALTIES = tuple(10.0**power for power in range(-1, 6))
"""From which the penalty is chosen, of standardised values."""


class Path:
    """Least squares with a penalty on the squared coefficients, intercept apart.

    The products of all columns, or of all rows where these are fewer, are made once; each penalty
    then costs one Cholesky factor.

    Args:
        known: (rows, columns) float64.
        future: (rows, outputs) float64.
    """

    def __init__(self, known: np.ndarray, future: np.ndarray):
        self.mean, self.intercept = known.mean(axis=0), future.mean(axis=0)
        self._known, self._future = known - self.mean, future - self.intercept
        rows, columns = known.shape
        self._dual = rows < columns
        self._products = self._known @ self._known.T if self._dual else self._known.T @ self._known

    def at(self, penalty: float) -> Callable[[np.ndarray], np.ndarray]:
        """Solve for one penalty.

        Args:
            penalty: Above 0, as `alpha` of scikit-learn's `Ridge`.

        Returns:
            What predicts rows: from (rows, columns) to (rows, outputs).

        >>> path = Path(np.array([[0.0], [1.0]]), np.array([[0.0], [2.0]]))
        >>> path.at(0.5)(np.array([[0.5], [1.5]])).tolist()
        [[1.0], [2.0]]
        """
        squared = self._products.copy()
        squared[np.diag_indices_from(squared)] += penalty
        factor = cho_factor(squared, overwrite_a=True, check_finite=False)
        if self._dual:
            weights = self._known.T @ cho_solve(factor, self._future)
        else:
            weights = cho_solve(factor, self._known.T @ self._future)
        return lambda given: (given - self.mean) @ weights + self.intercept
