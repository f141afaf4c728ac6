"""What is equal between two runs, and what is not."""

import numpy as np
import pandas as pd
import pytest

from forecast.tracking import diff
from forecast.tracking.diff import compare_runs, held


def differences(before, now):
    (found,) = compare_runs({"it": before}, {"it": now})
    return [(one.name, one.before, one.now) for one in found.differences]


def test_equal_is_equal_to_the_last_bit():
    near = float(np.nextafter(0.5, 1))
    assert differences({"a": 0.5, "b": "x", "c": [1, 2]}, {"a": 0.5, "b": "x", "c": [1, 2]}) == []
    assert differences({"a": 0.5}, {"a": near}) == [("a", "0.5", "0.5000000000000001")]


def test_what_only_one_of_them_has_is_a_difference():
    assert differences({"a": 1.0}, {"b": np.zeros(3)}) == [
        ("a", "1.0", "–"),
        ("b", "–", "float64 (3,)"),
    ]
    (found,) = compare_runs({"weights": {"a": np.zeros(3)}}, {})
    assert found.name == "weights" and found.count == 3 and len(found.differences) == 1


def test_arrays_tell_how_many_values_differ_and_by_how_much():
    was = np.array([1, 2, np.nan, 4], np.float32)
    assert differences({"w": was}, {"w": was.copy()}) == []
    now = was + np.array([0, 0.5, 0, -0.25], np.float32)
    assert differences({"w": was}, {"w": now}) == [("w", "4 values", "2 of 4 others, by up to 0.5")]
    assert differences({"w": was}, {"w": was.astype(float)})[0][2] == "float64 (4,)"
    assert differences({"w": was}, {"w": was[:2]})[0][2] == "float32 (2,)"
    text = np.array(["a", "b"], object)
    assert differences({"s": text}, {"s": np.array(["a", "c"], object)})[0][2] == "1 of 2 others"


def test_a_hole_in_one_of_them_is_a_difference():
    was, now = np.array([1.0, np.nan]), np.array([np.nan, np.nan])
    assert differences({"w": was}, {"w": now})[0][2].startswith("1 of 2 others")


def columns(path, frame, rows):
    """The columns of a file with row groups of so many rows."""
    frame.to_parquet(path, row_group_size=rows)
    return diff.columns(path)


@pytest.mark.parametrize("piece", [3, 100])
def test_files_differ_as_their_columns_in_memory_do(tmp_path, monkeypatch, piece: int):
    was = pd.DataFrame(
        {
            "series": list("aabbccddee"),
            "time": pd.date_range("2024-01-01", periods=10, freq="D"),
            "step": np.arange(10),
            "forecast": np.append(np.linspace(0, 1, 9), np.nan),
            "crps": np.full(10, np.nan),
        }
    )
    now = was.assign(series=list("aabbccddef"), step=was.step + (was.step == 7))
    now.loc[[1, 8], "forecast"] += [0.5, -0.25]
    read = []
    for frame in (was, now, was[:9]):
        arrays = {name: own.to_numpy() for name, own in frame.items()}
        read.append((arrays, columns(tmp_path / f"{len(read)}.parquet", frame, 2 + len(read))))
    monkeypatch.setattr(diff, "PIECE", piece)
    for other in range(3):
        memory, file = (compare_runs({"it": read[0][n]}, {"it": read[other][n]}) for n in (0, 1))
        assert memory == file and file[0].count == 50
        assert len(file[0].differences) == (0, 3, 5)[other]
    assert max(len(one) for one in read[0][1]["forecast"].pieces()) <= piece


def test_a_run_holds_what_it_was_told(client, lstm_run: str):
    found = held(client, lstm_run)
    metrics = client.get_run(lstm_run).data.metrics
    assert found["metrics"]["test/mae"] == metrics["test/mae"]
    assert found["metrics by step"]["val/loss at 2"] == metrics["val/loss"]
    assert {f"horizon/mae at {step}" for step in (1, 2, 3, 4)} <= set(found["metrics by step"])
    assert not any(key.startswith("time/") for group in found.values() for key in group)
    assert found["splits"]["test_from"].startswith("2024-03-08T08")
    assert found["data"]["sha256"] == client.get_run(lstm_run).data.tags["forecast.data_digest"]


@pytest.mark.parametrize("key", ["test/mae", "val/loss at 1", "gates.lstm_1/i_mean at 2"])
def test_one_number_that_moves_is_found(client, lstm_run: str, key: str):
    before, now = held(client, lstm_run), held(client, lstm_run)
    group = "metrics by step" if " at " in key else "metrics"
    now[group][key] = float(np.nextafter(now[group][key], np.inf))
    differ = {a.name: [one.name for one in a.differences] for a in compare_runs(before, now)}
    assert differ == {name: [key] if name == group else [] for name in before}
