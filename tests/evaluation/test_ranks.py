"""Ranks over series: the worked example of Demšar 2006 and SciPy."""

from itertools import permutations, product

import numpy as np
import pytest
from matplotlib.figure import Figure
from scipy import stats

from forecast.errors import InputError
from forecast.evaluation.significance import ranks
from forecast.evaluation.significance.ranks import friedman, wilcoxon
from forecast.report import comparison

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
    assert np.isnan(wilcoxon(np.arange(5.0), np.ones(5)).p)
    assert wilcoxon(np.ones(9), np.ones(9)).p == 1
    assert friedman(np.ones((9, 3)), "abc").p == 1
    with pytest.raises(InputError, match="errors must hold 2 or more complete cases, got 1"):
        friedman(np.ones((1, 3)), "abc")
    with pytest.raises(InputError, match="errors must be .* use wilcoxon for two"):
        friedman(np.ones((9, 2)), "ab")
    with pytest.raises(InputError, match="errors_a and errors_b must"):
        wilcoxon(np.ones(9), np.ones(8))


def test_the_diagram_names_every_model_at_its_rank(paper, tmp_path):
    figure = comparison.diagram(paper)
    assert isinstance(figure, Figure)
    figure.savefig(tmp_path / "cd.png")
    [axes] = figure.axes
    texts = {text.get_text() for text in axes.texts}
    assert {"C4.5+m+cf  1.96", "C4.5+m  2.00", "2.89  C4.5+cf", "3.14  C4.5"} <= texts
    bars = [line for line in axes.lines if line.get_linewidth() == 4]
    assert [set(group) for group in paper.groups] == [set(MODELS)]
    [bar] = bars
    assert min(bar.get_xdata()) < 1.964 and max(bar.get_xdata()) > 3.143


def by_all_orders(errors):
    """The share of all orders within the cases whose rank sums lie at least as far apart."""
    ranks = stats.rankdata(errors, axis=1)
    seen = (ranks.sum(axis=0) ** 2).sum() - 1e-9
    orders = product(*(list(permutations(case)) for case in ranks))
    found = [(np.sum(order, axis=0) ** 2).sum() >= seen for order in orders]
    return np.mean(found)


@pytest.mark.parametrize(("cases", "models"), [(3, 3), (5, 3), (3, 4)])
@pytest.mark.parametrize("values", [3, 100], ids=["ties", "none"])
def test_few_cases_are_tested_by_all_their_orders(cases, models, values):
    rng = np.random.default_rng(cases * models)
    for _ in range(3):
        errors = rng.integers(0, values, (cases, models)).astype(float)
        found = ranks.by_permutation(stats.rankdata(errors, axis=1))
        assert found == pytest.approx(by_all_orders(errors), abs=1e-12)


def test_three_models_in_one_order_on_three_cases():
    assert ranks.by_permutation(np.tile([1.0, 2.0, 3.0], (3, 1))) == pytest.approx(1 / 36)


@pytest.mark.parametrize(
    ("sums", "statistic", "p"),
    [
        # Friedman 1937, table V, as it stands in textbooks: cases, χ², p of at least that
        ([6, 10, 14], 6.4, 0.039),
        ([5, 10, 15], 10.0, 0.00077),
        ([7, 9, 14], 5.2, 0.093),
    ],
)
def test_five_cases_of_three_models_against_the_printed_table(sums, statistic, p):
    orders = list(permutations([1.0, 2.0, 3.0]))
    errors = next(
        chosen
        for chosen in map(np.array, product(orders, repeat=5))
        if chosen.sum(axis=0).tolist() == sums
    )
    found = friedman(errors, "abc")
    assert found.statistic == pytest.approx(statistic) and found.p == pytest.approx(p, rel=0.02)


def test_drawn_orders_estimate_the_share_of_all(monkeypatch):
    rng = np.random.default_rng(3)
    for _ in range(5):
        errors = rng.normal(size=(6, 4)) + [0.0, 0.3, 0.6, 0.9]
        exact = friedman(errors, "abcd").p
        with monkeypatch.context() as patched:
            patched.setattr(ranks, "STATES", 0)
            drawn = friedman(errors, "abcd").p
        assert drawn != exact
        assert abs(drawn - exact) < 4 * np.sqrt(exact * (1 - exact) / ranks.DRAWS) + 1e-4
    many = friedman(np.tile(np.arange(26.0), (9, 1)), [str(n) for n in range(26)])
    assert many.p == pytest.approx(1 / (1 + ranks.DRAWS))  # never 0


@pytest.mark.parametrize("cases", [5, 8, 12])
def test_equal_models_are_found_to_differ_in_no_more_than_five_percent(cases):
    rng = np.random.default_rng(cases)
    p = np.array([friedman(rng.normal(size=(cases, 3)), "abc").p for _ in range(150)])
    assert np.mean(p < 0.05) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 150)
    assert p.min() > 0


def test_of_many_cases_p_comes_near_scipys():
    rng = np.random.default_rng(11)
    for shift in (0.0, 0.1, 0.2):
        errors = rng.normal(size=(300, 4)) + shift * np.arange(4)
        found, expected = friedman(errors, "abcd"), stats.friedmanchisquare(*errors.T)
        assert found.statistic == pytest.approx(expected.statistic, rel=1e-9)
        assert found.p == pytest.approx(expected.pvalue, abs=5e-3)


def test_too_few_cases_have_ranks_and_no_test():
    found = friedman(np.tile([1.0, 2.0, 3.0], (4, 1)), "abc")
    np.testing.assert_array_equal(found.average, [1, 2, 3])
    assert np.isnan([found.p, found.critical, *found.pairs.ravel()]).all() and found.groups == []
    with pytest.raises(InputError, match="ranking must be of 5 or more cases, got 4"):
        comparison.diagram(found)


def test_pairs_are_looked_at_only_where_the_models_differ():
    """Six cases of six models: the ranks of the ends lie far apart, and chance does that."""
    rng = np.random.default_rng(0)
    drawn = (friedman(rng.normal(size=(10, 6)), "abcdef") for _ in range(500))
    found = next(one for one in drawn if one.p >= 0.05 and np.ptp(one.average) > one.critical)
    assert [set(group) for group in found.groups] == [set("abcdef")]


@pytest.mark.parametrize("values", [4, 1000], ids=["ties and zeros", "none"])
def test_wilcoxon_of_few_cases_is_exact(values):
    """By all signs of the ranks; what is 0 counts half on either side whatever the signs."""
    rng = np.random.default_rng(values)
    for cases in (6, 8, 10):
        gap = rng.integers(-values, values + 1, cases).astype(float)
        sizes = stats.rankdata(np.abs(gap)) * (gap != 0)
        seen = abs((np.sign(gap) * sizes).sum()) - 1e-9
        signs = np.array(list(product([-1, 1], repeat=cases)))
        expected = np.mean(np.abs(signs @ sizes) >= seen)
        assert wilcoxon(gap, np.zeros(cases)).p == pytest.approx(expected, abs=1e-12)
