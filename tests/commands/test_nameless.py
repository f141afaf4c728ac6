"""Columns without a name are none of `data.targets=["*"]`: an index that was written, a comma."""

import pandas as pd
import pytest

from forecast.tracking.mlflow.store import client

from ..conftest import Place, load_frame, word

ALL = ["data=file", "data.time=time", "data.series=[site]", 'data.targets=["*"]']
QUICK = ["window.timesteps=8", "window.horizon=4", "model=linear", "training.epochs=1"]


def write(folder, kind):
    frame = load_frame(120)
    if kind == "row numbers":
        frame.to_csv(folder / "rows.csv")
    elif kind == "trailing comma":
        text = frame.to_csv(index=False).replace("\n", ",\n")
        (folder / "rows.csv").write_text(text)
    else:
        frame.to_csv(folder / "once.csv")
        pd.read_csv(folder / "once.csv").to_csv(folder / "rows.csv", index=False)
    return "data.path=rows.csv"


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["row numbers", "trailing comma", "read and written again"])
def test_a_column_without_a_name_is_no_target(kind, tmp_path):
    place = Place(tmp_path, [], [])
    path = write(tmp_path, kind)
    assert place.run("check", *ALL, path, *QUICK) == 0, place.errors
    assert "columns without a name: Unnamed: " in " ".join(place.printed[-1].split())
    assert place.run("train", *ALL, path, *QUICK, "gates.memory=0") == 0, place.errors
    printed = place.printed[-1]
    assert "columns without a name: Unnamed: " in " ".join(printed.split())
    run = client(place.uri).get_run(word(printed, "run"))
    keys = {key.partition("/")[0] for key in run.data.metrics if key.startswith("test_")}
    assert keys == {"test_load", "test_temp"}
