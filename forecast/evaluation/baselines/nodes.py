"""Boosted trees as plain arrays, which need no scikit-learn to predict and no pickle to be kept."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from sklearn.ensemble import HistGradientBoostingRegressor

ROWS = 16_384
"""Rows that are predicted together: their features, column by column, stay in the cache."""

IDENTITY = ("squared_error", "absolute_error", "quantile")
"""Losses whose trees add up to the prediction itself."""


@dataclass(frozen=True, eq=False)
class Nodes:
    """The trees of one target, tree behind tree; of a leaf only the value counts.

    Attributes:
        feature: Number of the feature that decides, (nodes,).
        threshold: Greatest value of it that goes to the left, (nodes,).
        left: Node on the left, later than its own, (nodes,).
        right: Node on the right, likewise, (nodes,).
        leaf: Whether it ends here, (nodes,).
        value: What is added where it ends here, (nodes,).
        missing_left: Whether NaN goes to the left, (nodes,).
        first: First node of each tree, (trees,).
        baseline: What all trees are added to.
    """

    feature: np.ndarray
    threshold: np.ndarray
    left: np.ndarray
    right: np.ndarray
    leaf: np.ndarray
    value: np.ndarray
    missing_left: np.ndarray
    first: np.ndarray
    baseline: float

    @classmethod
    def of(cls, model: HistGradientBoostingRegressor) -> "Nodes":
        """Take the trees out of a fitted regressor.

        Args:
            model: Fitted on one target, without categories, with a loss whose trees add up to the
                prediction itself.

        Returns:
            The same trees.

        Raises:
            ValueError: It is another kind of regressor.
        """
        trees = [of_one[0].nodes for of_one in model._predictors]
        if model.loss not in IDENTITY or any(nodes["is_categorical"].any() for nodes in trees):
            raise ValueError(
                f"trees must have a loss of {', '.join(IDENTITY)} and no categories, got loss "
                f"{model.loss!r}"
            )
        count = np.array([len(nodes) for nodes in trees], np.int64)
        first = np.cumsum(count) - count
        every = np.concatenate(trees)
        before = np.repeat(first, count)
        return cls(
            every["feature_idx"].astype(np.int64),
            every["num_threshold"].astype(float),
            every["left"].astype(np.int64) + before,
            every["right"].astype(np.int64) + before,
            every["is_leaf"].astype(bool),
            every["value"].astype(float),
            every["missing_go_to_left"].astype(bool),
            first,
            float(np.ravel(model._baseline_prediction)[0]),
        )

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Predict rows, to the bit as scikit-learn does: the baseline, then tree after tree.

        Shapes: `features` (rows, features); returns (rows,).
        """
        found = np.zeros(len(features)) + self.baseline
        for begin in range(0, len(features), ROWS):
            part = found[begin : begin + ROWS]
            columns = np.ascontiguousarray(features[begin : begin + ROWS].T, float)
            for values in self._trees(columns):
                part += values
        return found

    def check(self, features: int) -> None:
        """Refuse arrays that are no trees on so many features, as a file may hold.

        Raises:
            ValueError: What is wrong with them.
        """
        nodes, split = np.arange(len(self.leaf)), ~self.leaf
        count = np.diff(np.append(self.first, len(nodes)))
        if self.first[:1].tolist() != [0] or (count < 1).any():
            raise ValueError("trees that do not begin one behind the other")
        end = np.repeat(self.first + count, count)
        for side in (self.left, self.right):
            if ((side <= nodes) | (side >= end))[split].any():
                raise ValueError("a node of trees whose branch is no later node of its tree")
        if ((self.feature < 0) | (self.feature >= features))[split].any():
            raise ValueError(f"a node of trees that reads none of {features} features")
        if np.isnan(self.threshold[split]).any() or not np.isfinite(self.value[self.leaf]).all():
            raise ValueError("a node of trees without a number")
        if not np.isfinite(self.baseline):
            raise ValueError("trees that are added to no number")

    def _trees(self, columns: np.ndarray) -> Iterator[np.ndarray]:
        """Predict some rows with one tree after the other.

        The rows of a node are divided among its branches, so that each level looks at each row
        once, whatever the depth of the others.

        Shapes: `columns` (features, rows); yields (rows,).
        """
        feature, threshold, left, right, leaf, value, missing_left = (
            part.tolist()
            for part in (
                *(self.feature, self.threshold, self.left, self.right),
                *(self.leaf, self.value, self.missing_left),
            )
        )
        every, found = np.arange(columns.shape[1]), np.empty(columns.shape[1])
        for root in self.first.tolist():
            due = [(root, every)]
            while due:
                node, rows = due.pop()
                if leaf[node]:
                    found[rows] = value[node]
                    continue
                read = columns[feature[node]][rows]
                goes_left = read <= threshold[node]
                if missing_left[node]:
                    goes_left |= np.isnan(read)
                for branch, some in ((left, rows[goes_left]), (right, rows[~goes_left])):
                    if len(some):
                        due.append((branch[node], some))
            yield found
