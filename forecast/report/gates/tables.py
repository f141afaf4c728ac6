"""Tables of gates: one row order for all runs, and a column for each."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import wasserstein_distance

from forecast.gates.history import distances
from forecast.gates.names import tap_offset
from forecast.gates.snapshots import ACTIVITY, is_convolution, unpack
from forecast.gates.statistics import rms
from forecast.report.gates.subject import Subject
from forecast.report.gates.svg import letter, percent

STATISTICS = {
    "kernel_rms": ("kernel", "{:.3f}"),
    "recurrent_rms": ("recurrent", "{:.3f}"),
    "bias_rms": ("bias", "{:.3f}"),
    "radius": ("radius", "{:.2f}"),
    "update": ("update", "{:.1e}"),
    "mean": ("mean", "{:.2f}"),
    "shut": ("shut", "{:.0%}"),
    "open": ("open", "{:.0%}"),
    "scale_50": ("steps to 1/e", "{:.3g}"),
}
"""Few statistics, as in a table that one reads: heading and how the number is written."""

PARTS = {"recurrent_kernel": "recurrent", "recurrent_bias": "rec. bias"}
"""Short names of parts."""

COLUMNS = 8
"""Runs that are columns of a table; of more the runs are its rows."""

INPUTS = 16
"""Inputs that a table shows, those with the largest weights."""


def numbers(subjects: Sequence[Subject], layer: str) -> pd.DataFrame:
    """Return the statistics of a layer as text: (statistic and gate, runs), and what two differ by.

    The first columns are "statistic" and "gate"; rows that no run has are left out.
    """
    gates = dict.fromkeys(gate for subject in subjects for gate in subject.gates(layer))
    rows = []
    for statistic, (heading, form) in STATISTICS.items():
        for gate in gates:
            key = f"gates.{layer}/{gate}_{statistic}"
            values = [subject.numbers.get(key) for subject in subjects]
            texts = ["" if v is None else form.format(v) for v in values]
            if {*texts} - {"", "0%"} or (len(subjects) == 1 and texts != [""]):
                rows.append([heading, gate, *texts, *_difference(values, statistic)])
    return pd.DataFrame(rows, columns=["statistic", "gate", *letters(subjects), *_delta(subjects)])


def wide(subjects: Sequence[Subject], layer: str) -> pd.DataFrame:
    """Return the sizes and the openness of a layer's gates with a row for each run."""
    found = numbers(subjects, layer)
    kept = found[found.statistic.isin(["kernel", "recurrent", "mean"])]
    names = kept.gate + " " + kept.statistic
    table = kept[letters(subjects)].T
    table.columns = list(names)
    return table.reset_index(names="run")


def of_one(subject: Subject, layer: str) -> pd.DataFrame:
    """Return the statistics of a layer of one network as text: (gates, statistics)."""
    found = numbers([subject], layer).pivot(index="gate", columns="statistic", values="value")
    heads = [head for head, _ in STATISTICS.values() if head in found]
    return found.reindex(subject.gates(layer))[heads].fillna("")


def letters(subjects: Sequence[Subject]) -> list[str]:
    """Return what the runs are called in tables."""
    return [letter(n) for n in range(len(subjects))] if len(subjects) > 1 else ["value"]


def _delta(subjects: Sequence[Subject]) -> list[str]:
    return ["Δ"] if len(subjects) == 2 else []


def _difference(values: Sequence[float | None], statistic: str) -> list[str]:
    """Return what the second of two numbers is more than the first."""
    if len(values) != 2:
        return []
    first, second = values
    if first is None or second is None:
        return [""]
    if statistic in ("mean", "shut", "open"):
        return [f"{round(second - first, 2) + 0.0:+.2f}".replace("-", "−")]
    return [percent(second / first - 1)] if first else [""]


def apart(subjects: Sequence[Subject]) -> tuple[pd.DataFrame, list[str]]:
    """Compare the distributions of the weights of every gate and tap of several runs.

    Returns:
        A row for each gate and part that two runs have, the furthest first, with the root mean
        square in each run and the Wasserstein distance: of two runs between them, of more from the
        first, with the run that is furthest; and sentences on what cannot be compared weight by
        weight.
    """
    if len(subjects) == 2:
        table, notes = distances(subjects[0].kept, subjects[1].kept, ("A", "B"))
        table = table.rename(columns={"first": "A", "second": "B"})
        table["part"] = table.part.map(lambda part: PARTS.get(part, part))
        share = table.B / table.A.replace(0, np.nan) - 1
        table.insert(5, "Δ", ["" if np.isnan(v) else percent(v) for v in share])
        return table.sort_values("distance", ascending=False, ignore_index=True), notes
    first = {n: a for n, a in subjects[0].kept.items() if n.split("/")[1] not in ACTIVITY}
    rows = []
    for name, array in first.items():
        layer, part, gate = name.split("/")
        row: dict[str, Any] = {
            "layer": layer,
            "gate": gate,
            "part": PARTS.get(part, part),
            "A": rms([array]),
        }
        far = []
        for n, subject in enumerate(subjects[1:], start=1):
            other = subject.kept.get(name)
            row[letter(n)] = rms([other]) if other is not None else float("nan")
            if other is not None:
                far.append((float(wasserstein_distance(array.ravel(), other.ravel())), letter(n)))
        if far:
            row["distance"], row["furthest from A"] = max(far)
            rows.append(row)
    found = pd.DataFrame(rows)
    if rows:
        found = found.sort_values("distance", ascending=False, ignore_index=True)
    return found, []


def by_input(subjects: Sequence[Subject], layer: str) -> pd.DataFrame:
    """Return the weight of each input of a layer: (inputs, gates), of several runs (inputs, runs).

    One order for all runs: inputs with the largest weights in any of them first.
    """
    tables = [subject.inputs.get(layer) for subject in subjects]
    if len(subjects) == 1:
        table = tables[0] if tables[0] is not None else pd.DataFrame()
        return table.loc[table.mean(axis=1).sort_values(ascending=False).index]
    means = {
        letter(n): np.sqrt((table**2).mean(axis=1))
        for n, table in enumerate(tables)
        if table is not None
    }
    found = pd.DataFrame(means)
    return found.loc[found.max(axis=1).sort_values(ascending=False).index]


def taps(subjects: Sequence[Subject]) -> pd.DataFrame:
    """Return the weight of every tap: layer and tap, oldest first, and a column for each run."""
    found: dict[tuple[str, str], dict[str, float]] = {}
    for name, subject in zip(letters(subjects), subjects, strict=True):
        for layer, own in unpack(subject.kept).items():
            if is_convolution(own):
                for tap in sorted(own, key=lambda tap: tap_offset(tap) or 0):
                    found.setdefault((layer, tap), {})[name] = rms([own[tap]["kernel"]])
    table = pd.DataFrame.from_dict(found, orient="index").reindex(columns=letters(subjects))
    table.index = pd.MultiIndex.from_tuples(list(found), names=["layer", "tap"])
    return table


def listed(table: pd.DataFrame) -> dict[str, Any]:
    """Return a table as its heads and rows."""
    return {"heads": list(table.columns), "rows": table.to_numpy().tolist()}


def written(table: pd.DataFrame, form: str = "{:.3f}") -> pd.DataFrame:
    """Write the numbers of a table; what is not there stays empty."""
    found = table.copy().astype(object)
    for column in table.select_dtypes("number"):
        found[column] = ["" if np.isnan(v) else form.format(v) for v in table[column]]
    return found


def shades(table: pd.DataFrame, end: float) -> list[list[int]]:
    """Return how dark the cells of a table are, in per cent of the end of the scale."""
    return (table.fillna(0).to_numpy() / end * 100).clip(0, 100).round().astype(int).tolist()


def runs_facts(subjects: Sequence[Subject]) -> Mapping[str, list[str]]:
    """Return what is known of each run: fact to texts."""
    names = dict.fromkeys(name for subject in subjects for name in subject.facts)
    return {name: [subject.facts.get(name, "–") for subject in subjects] for name in names}
