"""Ranks over series: the worked example of Demšar 2006 and SciPy."""

import numpy as np
import pytest
from matplotlib.figure import Figure
from scipy import stats

from forecast.errors import InputError
from forecast.evaluation.significance import critical_difference
from forecast.evaluation.significance.ranks import friedman, wilcoxon

MODELS = ("C4.5", "C4.5+m", "C4.5+cf", "C4.5+m+cf")

# Demšar 2006, table 6: area under the curve on 14 data sets. On "voting" the paper's rounded 0.975
# stands twice, but it ranks the third column before the fourth.
AREAS = np.array(
    [
        [0.763, 0.768, 0.771, 0.798],
        [0.599, 0.591, 0.590, 0.569],
        [0.954, 0.971, 0.968, 0.967],
        [0.628, 0.661, 0.654, 0.657],
        [0.882, 0.888, 0.886, 0.898],
        [0.936, 0.931, 0.916, 0.931],
        [0.661, 0.668, 0.609, 0.685],
        [0.583, 0.583, 0.563, 0.625],
        [0.775, 0.838, 0.866, 0.875],
        [1.000, 1.000, 1.000, 1.000],
        [0.940, 0.962, 0.965, 0.962],
        [0.619, 0.666, 0.614, 0.669],
        [0.972, 0.981, 0.9751, 0.975],
        [0.957, 0.978, 0.946, 0.970],
    ]
)


@pytest.fixture(scope="module")
def paper():
    return friedman(-AREAS, MODELS)


def test_the_papers_average_ranks_and_critical_difference(paper):
    np.testing.assert_allclose(paper.average, [3.143, 2.000, 2.893, 1.964], atol=5e-4)
    assert paper.cases == 14 and paper.critical == pytest.approx(1.25, abs=5e-3)


def test_the_papers_friedman_test_once_its_ties_are_not_corrected(paper):
    tied = sum(
        (count**3 - count)
        for row in AREAS
        for count in np.unique(row, return_counts=True)[1].tolist()
    )
    plain = paper.statistic * (1 - tied / (14 * 4 * (4**2 - 1)))
    assert plain == pytest.approx(9.28, abs=5e-3)
    assert 13 * plain / (14 * 3 - plain) == pytest.approx(3.69, abs=5e-3)
    f = 13 * paper.statistic / (14 * 3 - paper.statistic)
    assert paper.p == pytest.approx(stats.f.sf(f, 3, 39), rel=1e-9)


def test_friedman_against_scipy(paper):
    assert paper.statistic == pytest.approx(stats.friedmanchisquare(*AREAS.T).statistic, rel=1e-9)


@pytest.mark.parametrize(
    ("models", "q"),
    [(3, 2.343), (4, 2.569), (5, 2.728), (6, 2.850), (7, 2.949), (8, 3.031), (10, 3.164)],
)
def test_critical_values_are_those_of_the_papers_table(models, q):
    errors = np.random.default_rng(models).normal(size=(20, models))
    found = friedman(errors, [str(n) for n in range(models)])
    assert found.critical == pytest.approx(q * np.sqrt(models * (models + 1) / 120), rel=3e-4)
    # a pair just as far apart has p 5 %
    apart = np.abs(found.average[:, None] - found.average)
    np.testing.assert_array_equal(found.pairs < 0.05, apart > found.critical)


def test_groups_are_the_largest_runs_of_close_ranks():
    errors = np.tile(np.arange(6.0), (30, 1))
    errors[::2] = errors[::2, [1, 0, 2, 4, 3, 5]]
    found = friedman(errors[:, ::-1], list("fedcba"))
    by_name = dict(zip(found.models, found.average, strict=True))
    assert [by_name[name] for name in "abcdef"] == [1.5, 1.5, 3, 4.5, 4.5, 6]
    assert 1 < found.critical < 1.5
    assert [set(group) for group in found.groups] == [{"a", "b"}, {"d", "e"}]
    closer = friedman(errors[:14, ::-1], list("fedcba"))
    assert 1.5 < closer.critical < 3
    groups = [set(group) for group in closer.groups]
    assert groups == [{"a", "b", "c"}, {"c", "d", "e"}, {"d", "e", "f"}]


def test_wilcoxon_on_the_papers_example():
    """Demšar 2006, table 2: C4.5 without and with m; sums of ranks 93 and 12, z = −2.54."""
    found = wilcoxon(-AREAS[:, 0], -AREAS[:, 1])
    assert found.statistic == 93 - 12 and found.word == "worse" and found.origins == 14
    assert found.p == pytest.approx(2 * stats.norm.sf(2.54), rel=0.02)


def test_wilcoxon_goes_by_ranks_and_not_by_the_mean():
    better = -np.arange(1.0, 13.0)
    better[0] = 500  # one series decides the mean
    found = wilcoxon(better, np.zeros(12))
    assert found.difference > 0 and found.statistic < 0
    assert wilcoxon(-np.arange(1.0, 13.0), np.zeros(12)).word == "better"
    assert found.p == pytest.approx(stats.wilcoxon(better).pvalue)


def test_holes_take_a_case_away():
    errors = np.random.default_rng(0).normal(size=(20, 3))
    holes = errors.copy()
    holes[[4, 9], [0, 2]] = np.nan
    whole = np.delete(errors, [4, 9], axis=0)
    found, expected = friedman(holes, "abc"), friedman(whole, "abc")
    assert found.cases == 18 and found.p == expected.p
    assert wilcoxon(holes[:, 0], holes[:, 2]) == wilcoxon(whole[:, 0], whole[:, 2])


def test_few_or_equal_cases():
    assert wilcoxon(np.arange(5.0), np.ones(5)).word == "too few origins"
    assert wilcoxon(np.ones(9), np.ones(9)).p == 1
    assert friedman(np.ones((9, 3)), "abc").p == 1
    assert friedman(np.tile([1.0, 2.0, 3.0], (9, 1)), "abc").p == 0
    with pytest.raises(InputError, match="errors must hold 2 or more whole cases, got 1"):
        friedman(np.ones((1, 3)), "abc")
    with pytest.raises(InputError, match="errors must be .* use wilcoxon for two"):
        friedman(np.ones((9, 2)), "ab")
    with pytest.raises(InputError, match="errors_a and errors_b must"):
        wilcoxon(np.ones(9), np.ones(8))


def test_the_diagram_names_every_model_at_its_rank(paper, tmp_path):
    figure = critical_difference.diagram(paper)
    assert isinstance(figure, Figure)
    figure.savefig(tmp_path / "cd.png")
    [axes] = figure.axes
    texts = {text.get_text() for text in axes.texts}
    assert {"C4.5+m+cf  1.96", "C4.5+m  2.00", "2.89  C4.5+cf", "3.14  C4.5"} <= texts
    bars = [line for line in axes.lines if line.get_linewidth() == 4]
    assert [set(group) for group in paper.groups] == [set(MODELS)]
    [bar] = bars
    assert min(bar.get_xdata()) < 1.964 and max(bar.get_xdata()) > 3.143
