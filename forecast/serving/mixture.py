"""A weighted mean of several bundles, which is a bundle itself."""

import math
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import numpy as np
import pandas as pd
import pyarrow as pa

from forecast.data import asked, windows
from forecast.data.scaling.bounds import clipped
from forecast.data.schema import Schema
from forecast.data.table import Table
from forecast.data.windows import Window
from forecast.errors import InputError, cause
from forecast.evaluation.intervals.margin import Reach
from forecast.serving import arrays, unseen
from forecast.serving import schema as form
from forecast.serving.model import Bundle, refuse_short_history, tidy
from forecast.training.forecaster import BATCH
from forecast.vocabulary import CALIBRATIONS

FOLDER = "members"
"""Of the members, each in a folder with its number, from 1 on."""

OWN = ("calendar", "known_future", "zone", "holidays", "transform")
"""Fields of a schema in which members may differ; the raw columns known ahead may not."""

EXACT = 1e-9
"""How far weights may be from adding up to 1."""


@dataclass(frozen=True)
class Mixture:
    """What predicts: the weighted mean of the forecasts of several bundles.

    Attributes:
        members: What is averaged.
        weights: Of each; they add up to 1.
        schema: How raw rows are read; of `OWN` each member has its own.
        facts: Versions and whatever was said of it, for people.
        reach: Of the intervals around its forecasts; None where it has none.
        digest: Of its files.
    """

    members: tuple[Bundle, ...]
    weights: tuple[float, ...]
    schema: Schema
    facts: Mapping[str, Any]
    reach: Reach | None = None
    digest: str = ""

    @property
    def window(self) -> Window:
        """The window of the member that looks back furthest."""
        return max((member.window for member in self.members), key=lambda own: own.timesteps)

    @property
    def names(self) -> pa.Array:
        """Series that it was trained on, an Arrow array of text, in the first member's order."""
        return self.members[0].names

    @property
    def quantiles(self) -> tuple[float, ...]:
        """Levels that it predicts: none, since quantiles do not average."""
        return ()

    def tables(self, frame: pd.DataFrame) -> tuple[Table, ...]:
        """Read raw rows as each member does; those of one schema are read once."""
        read: list[tuple[Schema, Table]] = []
        found = []
        for member in self.members:
            own = {name: getattr(member.schema, name) for name in OWN}
            own_way = replace(member, schema=replace(self.schema, **own))
            grid = next((table for known, table in read if known == own_way.schema), None)
            if grid is None:
                grid = own_way.grid(frame)
                read.append((own_way.schema, grid))
            found.append(own_way.own(grid))
        return tuple(found)

    def starts(self, tables: Sequence[Table], *, history: bool = False) -> tuple[np.ndarray, ...]:
        """List the windows of each member with the origins that all members can forecast.

        With `history` these are all common ones, otherwise of each series the newest row from which
        every member would forecast, if all of them can.

        Shapes: returns (windows,) each, in one order: series as the first member numbers them, then
        time.
        """
        least = min(int(table.tick.min()) for table in tables)
        span = max(int(table.tick.max()) for table in tables) - least + 1
        keys, rows = [], []
        new = len(unseen.new_among(tables[0].names, self.names))
        newest = np.full((len(self.members), len(self.names) + new), -1)
        for number, (member, table) in enumerate(zip(self.members, tables, strict=True)):
            code = self.members[0].numbers(table.names)[table.series]
            key = code.astype(np.int64) * span + (table.tick - least)
            last = windows.origins(table)
            newest[number, code[last]] = table.tick[last] - least
            rows.append(windows.every(table, member.window))
            keys.append(key[rows[-1] + member.window.timesteps - 1])
        common = keys[0]
        for key in keys[1:]:
            common = np.intersect1d(common, key)
        if not history:
            common = common[common % span == newest.min(axis=0)[common // span]]
        if not len(common):
            self._refuse(tables, history=history)
        order = [np.argsort(key, kind="stable") for key in keys]
        return tuple(
            start[own][np.searchsorted(key[own], common)]
            for key, start, own in zip(keys, rows, order, strict=True)
        )

    def forecast_windows(
        self, tables: Sequence[Table], starts: Sequence[np.ndarray], batch: int
    ) -> dict[str, np.ndarray]:
        """Forecast some windows, which each member finds in its own table, so many at a time.

        Shapes: `starts` (windows,) each; returns (windows, horizon, targets) by the names of
        columns.
        """
        mean: np.ndarray = np.zeros(())
        every = zip(self.members, self.weights, tables, starts, strict=True)
        for member, weight, table, own in every:
            order = np.argsort(own, kind="stable")  # as a table lists its windows
            values = member.forecast_windows(table, own[order], batch)["forecast"]
            mean = mean + weight * values[np.argsort(order, kind="stable")]
        bounds = tables[0].bounds
        mean = clipped(mean, bounds)  # members lie within, and their sum may be rounded
        found = {"forecast": mean}
        if self.reach is not None:
            first = self.members[0]
            series = first.numbers(tables[0].names)[tables[0].series[starts[0]]]
            reach = _reach_with_new(self.reach, first, tables[0])
            ends = reach.around(mean[..., None], (), mean, series, bounds=bounds)
            found |= dict(zip(("lower", "upper"), ends, strict=True))
        return found

    def forecasts(self, tables: Sequence[Table], *, history: bool = False) -> pd.DataFrame:
        """Forecast from tables that `tables` has read; see `predict`."""
        starts = self.starts(tables, history=history)
        batch = min(BATCH, 1 << (len(starts[0]) - 1).bit_length())
        found = self.forecast_windows(tables, starts, batch)
        return tidy(tables[0], starts[0], self.members[0].window, found.pop("forecast"), found)

    def predict(self, frame: pd.DataFrame, *, history: bool = False) -> pd.DataFrame:
        """Forecast what follows the newest row of every series that all members can forecast from.

        With `history` what follows every row that all of them can forecast from.
        """
        return self.answer(frame, history=history)[1]

    def answer(self, frame: pd.DataFrame, *, history: bool = False) -> tuple[Table, pd.DataFrame]:
        """Return the rows, as the first member reads them, and what `predict` forecasts."""
        tables = self.tables(frame)
        return tables[0], self.forecasts(tables, history=history)

    def _refuse(self, tables: Sequence[Table], *, history: bool) -> NoReturn:
        """Say which member lacks what, the one that looks back furthest first."""
        count = len(self.members)
        longest = sorted(range(count), key=lambda own: -self.members[own].window.timesteps)
        for number in longest:
            member, table = self.members[number], tables[number]
            if len((windows.every if history else windows.latest)(table, member.window)):
                continue
            try:
                refuse_short_history(table, member.window, member.schema.known_columns)
            except InputError as error:
                raise InputError(f"{error} (asked by member {number + 1} of {count})") from error
        raise InputError(
            f"data must hold an origin from which all {count} members can forecast, got none: send "
            f"{self.window.timesteps} or more rows of each series, the newest of them without "
            f"missing values, which member {longest[0] + 1} reads"
        )


def _reach_with_new(reach: Reach, member: Bundle, table: Table) -> Reach:
    """Return half-widths of the series of a table too that training has not seen."""
    new = np.flatnonzero(member.numbers(table.names) >= len(member.names))
    if not len(new):
        return reach
    own = unseen.scale_of(member.scaler, unseen.rows_of(table, new)[0])
    more = unseen.reach_of(reach, member.scaler.spread, own.spread)
    return replace(reach, values=np.concatenate([reach.values, more.values]))


Predictor = Bundle | Mixture
"""What a folder with a bundle becomes."""


class Told(NamedTuple):
    """What members must have in common, as a bundle has it too."""

    schema: Schema
    window: Window
    names: pa.Array


def save_mixture(
    folder: Path,
    members: Sequence[tuple[Path, float]],
    facts: Mapping[str, Any],
    *,
    reach: Reach | None = None,
) -> list[Path]:
    """Write a weighted mean of bundles as a bundle.

    Args:
        folder: Where it is written.
        members: Folder of each bundle of one model, which is copied, and its weight.
        facts: For people.
        reach: Of the intervals around its forecasts; None where it has none.

    Returns:
        The files, those of members among them.

    Raises:
        InputError: The weights do not add up to 1, or the members do not belong together.
    """
    every = [form.read(place) for place, _ in members]
    if any(told.get("kind") == form.MIXTURE for told in every):
        raise InputError(
            "members must be bundles of one model, got a mixture: give its own members, each with "
            "its share of the weight"
        )
    weights = [float(weight) for _, weight in members]
    known = [
        Told(
            Schema.from_dict(told["schema"]),
            Window(**told["window"]),
            arrays.series_of(arrays.beside(place, told), told)[0],
        )
        for (place, _), told in zip(members, every, strict=True)
    ]
    if fault := disagreement(known, weights, reach):
        raise InputError(f"members must be bundles that can be averaged, got {fault}: give others")
    folder.mkdir(parents=True, exist_ok=True)
    for number, (place, _) in enumerate(members, 1):
        shutil.copytree(place, folder / FOLDER / str(number))
    told = [
        {"weight": weight, form.SEAL: own[form.SEAL]}
        for weight, own in zip(weights, every, strict=True)
    ]
    about = {
        "kind": form.MIXTURE,
        "members": told,
        "intervals": reach and arrays.keep_reach(folder, reach),
        "versions": form.versions("numpy", "pandas"),
        "facts": dict(facts),
    }
    copied = [file for file in (folder / FOLDER).rglob("*") if file.is_file()]
    own_files = [folder / form.INTERVALS] * (reach is not None)
    return [*sorted(copied), *own_files, form.write(folder, about)]


def read(
    folder: Path,
    told: Mapping[str, Any],
    member: Callable[[Path, Mapping[str, Any]], Bundle],
) -> Mixture:
    """Read a mixture, and its members by a function that takes a folder and its facts."""
    places = [folder / FOLDER / str(number + 1) for number in range(len(told["members"]))]
    every = [form.read(place) for place in places]
    for place, facts, own in zip(places, every, told["members"], strict=True):
        if facts[form.SEAL] != own[form.SEAL] or facts.get("kind") == form.MIXTURE:
            raise InputError(
                f"bundle must hold the members that it was written with, got another one in "
                f"{str(place)!r}: download the run's model/ again"
            )
    raw = arrays.beside(folder, told)
    found = [member(place, facts) for place, facts in zip(places, every, strict=True)]
    weights = [float(own["weight"]) for own in told["members"]]
    try:
        reach = arrays.reach_of(raw, told)
        fault = disagreement(found, weights, reach)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, OSError) as error:
        fault = cause(error)
    if fault:
        raise InputError(
            f"bundle must hold members that belong together, got {fault}: download the run's "
            "model/ again"
        )
    return Mixture(
        tuple(found),
        tuple(weights),
        _shared([one.schema for one in found]),
        told["versions"] | told["facts"],
        reach,
        told[form.SEAL],
    )


def disagreement(
    members: Sequence[Told | Bundle], weights: Sequence[float], reach: Reach | None
) -> str:
    """Say why members cannot be averaged, "" where they can."""
    if not members:
        return "none"
    if not all(0 < weight <= 1 for weight in weights) or abs(math.fsum(weights) - 1) > EXACT:
        return f"weights {[*weights]}, which must be above 0 and add up to 1"
    first = members[0]
    for number, other in enumerate(members[1:], 2):
        for name, own, its in _shared_by(first, other):
            if own != its:
                return f"{name} {its!r} in member 1 and {own!r} in member {number}"
    if reach is None:
        return ""
    shape = (len(first.names), first.window.horizon, len(asked.target_names(first.schema)[0]))
    if reach.values.shape != shape:
        return f"intervals of shape {reach.values.shape} for {shape}"
    if reach.between is not None or reach.method not in CALIBRATIONS:
        return f"intervals by {reach.method!r} around {reach.between}"
    return ""


def _shared_by(first: Told | Bundle, other: Told | Bundle) -> Iterator[tuple[str, Any, Any]]:
    """Name what two members must have in common, with that of the other and of the first."""
    for name in (field.name for field in fields(Schema) if field.name not in OWN):
        yield name, getattr(other.schema, name), getattr(first.schema, name)
    yield "known_future", other.schema.known_columns, first.schema.known_columns
    for name in ("horizon", "lead"):
        yield name, getattr(other.window, name), getattr(first.window, name)
    own, its = ({*one.names.to_pylist()} for one in (other, first))
    yield "series", sorted(own - its)[:1], sorted(its - own)[:1]


def _shared(schemas: Sequence[Schema]) -> Schema:
    """Make a schema that reads what the members read: their calendars together.

    A transform that not all of them have is none of the mixture.
    """
    first = schemas[0]
    alike = all(one.transform == first.transform for one in schemas)
    return replace(
        first,
        calendar=tuple(dict.fromkeys(name for one in schemas for name in one.calendar)),
        known_future=tuple(dict.fromkeys(name for one in schemas for name in one.known_future)),
        zone=next((one.zone for one in schemas if one.zone), None),
        holidays=next((one.holidays for one in schemas if one.holidays), None),
        transform=first.transform if alike else {},
    )
