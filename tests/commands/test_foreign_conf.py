"""A `conf/` of another program in the working folder: left alone, or named by its file."""

import re
from pathlib import Path

import pytest

from forecast.cli.config import compose
from forecast.cli.main import main

from ..conftest import TINY, load_frame

FOREIGN = "defaults:\n  - model: lstm\n  - _self_\nseed: 1\nlr: 0.1\n"


@pytest.fixture
def here(tmp_path: Path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    load_frame().to_csv("load.csv", index=False)
    for group in ("model", "training", "data"):
        Path("conf", group).mkdir(parents=True)
    return tmp_path


@pytest.mark.parametrize(
    "content",
    [
        *(FOREIGN, "", "seed: 1\n", "- 1\n", "a: [\n", "# \xfc\nseed: 1\n", "{{cookiecutter}}\n"),
        "defaults:\n  - schema_of_ours\n  - model: lstm\n",
    ],
)
def test_the_config_of_another_program_is_left_alone(content, here):
    plain = compose.compose(TINY).settings
    Path("conf/config.yaml").write_text(content, "latin-1")
    assert compose.compose(TINY).settings == plain


def test_one_that_begins_with_our_schema_is_read(here):
    text = (compose.CONF / "config.yaml").read_text("utf-8")
    assert compose.compose([]).settings.window.timesteps == 72
    Path("conf/config.yaml").write_text(text.replace("timesteps: 72", "timesteps: 99"))
    assert compose.compose([]).settings.window.timesteps == 99


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("model/lstm", "_target_: torch.nn.LSTM\nhidden: 3\n", r"_target_ must not be"),
        ("model/lstm", "hidden_size: 3\n", r"model\.hidden_size must be a setting of lstm"),
        ("training/default", "lr: 3\nepochs: 5\n", r"\(Key 'lr' not in 'TrainingConfig'\)"),
        ("training/default", "epochs: 5\n", r"training\.batch_size must be set"),
        ("training/default", "epochs: many\n", r"\(Value 'many'.*\)"),
        (
            "training/default",
            "# \xfc\nepochs: 5\n",
            r"must be text in UTF-8, got byte 0xfc in line 1",
        ),
    ],
)
def test_a_file_that_hides_one_of_ours_is_named_and_renaming_it_helps(
    name, content, said, here, capsys
):
    Path("conf/config.yaml").write_text(FOREIGN)
    file = Path("conf", f"{name}.yaml")
    file.write_text(content, "latin-1")
    given = [text for text in TINY if text != "training.batch_size=32"]
    assert main(["explain", *given]) == 2
    told = capsys.readouterr().err
    assert re.search(said, told), told
    assert f"conf/{name}.yaml of this folder hides forecast's own: rename it" in told
    file.rename(file.with_name("renamed.yaml"))
    assert main(["explain", *given]) == 0


def test_files_that_hide_nothing_and_values_that_were_typed_are_not_blamed(here, capsys):
    Path("conf/data/mine.yaml").write_bytes("path: load.csv # \xfcber\n".encode("latin-1"))
    assert main(["explain", "data=mine"]) == 2
    told = capsys.readouterr().err
    assert "conf/data/mine.yaml must be text in UTF-8" in told and "hides" not in told
    text = (compose.CONF / "model/lstm.yaml").read_text("utf-8")
    Path("conf/model/lstm.yaml").write_text(text)
    assert main(["explain", *TINY, "model.units=[0]"]) == 2
    told = capsys.readouterr().err
    assert "model.units must" in told and "hides" not in told
