"""Whatever a column, a series or a file is called, MLflow takes the run: its own rules say so."""

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from mlflow.utils.validation import (
    _validate_dataset_inputs,
    _validate_metric,
    _validate_param,
)

from forecast.tracking.record import _keys
from forecast.tracking.run import Record, Run, safe_key
from forecast.tracking.sender import _data_set

NAMES = [
    "Temp (°C)",
    "湿度",
    "Lufttemperatur außen",
    "US$/MWh",
    "../../etc/x",
    "a//b",
    "..",
    ".",
    "/",
    "C:\\x",
    '"><img src=x onerror=alert(1)>',
    "two\nlines",
    "n" * 300,
    "n" * 301,
]


class Told(Run):
    """A run that keeps what it is told."""

    def __init__(self):
        super().__init__()
        self.records: list[Record] = []

    def write(self, record: Record) -> None:
        self.records.append(record)

    def folder(self) -> Any:
        return nullcontext(Path())


def test_a_unit_of_any_column_is_a_parameter():
    """One that MLflow refused would keep all that comes behind it from the store."""
    run = Told()
    run.params({f"data.units.{name}": name for name in NAMES})
    told = run.records[0]["values"]
    assert list(told.values()) == NAMES  # none has taken the place of another
    for key, value in told.items():
        _validate_param(key, value)


@pytest.mark.parametrize("head", ["test_", "series/mae_", "val_"])
def test_every_name_of_a_target_or_series_is_a_metric(head: str):
    taken: set[str] = set()
    keys = {head + safe_key(name, taken) for name in NAMES}
    keys |= set(_keys({f"test_{name}/mae": 1.0 for name in NAMES}))
    assert len(keys) == 2 * len(NAMES)
    for key in keys:
        _validate_metric(key, 1.0, 0, 0)


def test_twenty_series_of_long_names_are_a_fact_about_the_data():
    run = Told()
    names = ", ".join(f"the meter of house number {n} in the street" for n in range(20))
    run.data("load", "0" * 16, "load.csv", {"rows": 4, "series": names})
    told = run.records[0]
    sent = _data_set(told)
    _validate_dataset_inputs([sent])
    said = next(tag.value for tag in sent.tags if tag.key == "forecast.series")
    assert said.startswith("the meter of house number 0 in the street, the ")


def test_letters_of_any_script_stay_readable():
    assert safe_key("test_湿度/mae") == "test_湿度_mae" and safe_key("ß é²") == "ß_é²"
