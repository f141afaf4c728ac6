"""Text as features and static columns, of which nobody lists the labels, from file to forecast."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ..conftest import TINY, Place, load_frame, word

ASKED = [
    *(text for text in TINY if not text.startswith(("data.features", "training.epochs"))),
    *("data.features=[load,sky]", "data.static=[region]", "model=linear", "training.epochs=1"),
    *("gates.memory=0", "window.horizon=3"),
]


def sky_frame() -> pd.DataFrame:
    """Two sites with a sky that has a label of its own in the test span."""
    frame = load_frame(120)
    rng = np.random.default_rng(0)
    frame["sky"] = rng.choice(["clear", "fog", "rain"], len(frame))
    frame["region"] = frame.site.map({"north": "hills", "south": "coast"})
    frame.loc[frame.time > "2024-03-05 12", "sky"] = "hail"
    return frame


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Place, str]:
    place = Place(tmp_path_factory.mktemp("labels"), [], [])
    sky_frame().to_csv(place.folder / "load.csv", index=False)
    assert place.run("train", *ASKED) == 0, place.errors
    return place, word(place.printed[-1], "run")


def forecasts(place: Place, run: str, *asked: str) -> list[float]:
    assert place.run("predict", f"run={run}", *asked, "output=out.csv") == 0, place.errors
    return pd.read_csv(place.folder / "out.csv").forecast.tolist()


@pytest.mark.slow
def test_check_lists_the_labels_found(trained):
    place, _ = trained
    assert place.run("check", *ASKED) == 0, place.errors
    printed = " ".join(place.printed[-1].split())
    assert "labels sky: 3 of the training rows (clear, fog, rain), and other" in printed
    assert "labels region: 2 of the training rows (coast, hills), and other" in printed
    assert "fault" not in printed


def test_a_label_never_seen_is_other_and_no_refusal(trained):
    place, run = trained
    own = forecasts(place, run)
    frame = sky_frame()
    for label in ("snow", "other"):  # whatever it is called: the newest rows have an unknown one
        frame.assign(sky=frame.sky.replace("hail", label)).to_parquet(place.folder / "new.parquet")
        assert forecasts(place, run, "data.path=new.parquet") == pytest.approx(own, rel=1e-6)
    frame.assign(sky=frame.sky.replace("hail", "rain")).to_parquet(place.folder / "new.parquet")
    assert forecasts(place, run, "data.path=new.parquet") != pytest.approx(own, rel=1e-3)


def test_the_model_keeps_its_labels_and_names_its_columns(trained, monkeypatch):
    from forecast.data.features import layout_of
    from forecast.workflows.served import find
    from forecast.workflows.settings import TrackingConfig

    place, run = trained
    monkeypatch.chdir(place.folder)
    schema = find(run, TrackingConfig(uri=place.uri, folder="runs")).bundle.schema
    assert schema.classes == {"sky": ("clear", "fog", "rain"), "region": ("coast", "hills")}
    assert layout_of(schema).features[1:8] == (
        *("sky=clear", "sky=fog", "sky=rain", "sky=other"),
        *("region=coast", "region=hills", "region=other"),
    )


def test_a_table_on_disk_is_the_one_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from forecast.cli.config.compose import compose
    from forecast.data.blocks import Blocks
    from forecast.workflows import load

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    sky_frame().sample(frac=1, random_state=0).to_csv("load.csv", index=False)
    settings = compose(ASKED).settings
    whole = load.load(settings)
    monkeypatch.setattr(load, "too_many", lambda config, source: len(sky_frame()))
    stored = load.load(settings)
    assert isinstance(stored.content, Blocks)
    assert stored.schema == whole.schema
    table = next(stored.content.tables())
    assert table.features == whole.table.features
    np.testing.assert_array_equal(table.inputs, whole.table.inputs)
