"""Whatever a configuration says, and wherever it comes from, it runs nothing."""

from pathlib import Path

import pytest
from hydra._internal.core_plugins.file_config_source import FileConfigSource
from hydra.utils import instantiate
from omegaconf import OmegaConf

from forecast import models
from forecast.cli.config import compose, recorded, safety
from forecast.cli.main import main
from forecast.errors import InputError
from forecast.evaluation.baselines import by_name, regression
from forecast.training import losses
from forecast.training.parameters import Training

BODY = {"_target_": "numpy.savetxt", "fname": "canary", "X": [1.0]}
"""What Hydra would call, were it asked to; `canary` is left. It refuses `os.system` by itself."""

GLOBAL = "# @package _global_\n"
CALLBACK = {"hydra": {"callbacks": {"x": BODY}}}
LOGGING = {"hydra": {"job_logging": {"version": 1, "handlers": {"x": {"()": "os.system"}}}}}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A working folder, in which nothing may have happened at the end."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HARMFUL", "{_target_: os.system}")
    monkeypatch.setattr("sys.argv", ["forecast"])
    monkeypatch.setenv("HYDRA_FULL_ERROR", "0")  # put back when the test ends
    yield tmp_path
    assert not (tmp_path / "canary").exists()


def write(folder: Path, name: str, text: object) -> None:
    """Write a file of the user's own conf/."""
    file = folder / "conf" / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text if isinstance(text, str) else OmegaConf.to_yaml(OmegaConf.create(text)))


def test_what_the_tests_below_would_run_does_run(folder: Path, monkeypatch):
    """Else they could not fail."""
    instantiate(OmegaConf.create(BODY))
    (folder / "canary").unlink()
    monkeypatch.setattr(safety.UsersFiles, "load_config", FileConfigSource.load_config)
    text = GLOBAL + OmegaConf.to_yaml(OmegaConf.create(CALLBACK))
    write(folder, "model/small.yaml", text + "model: {name: lstm}\n")
    with pytest.raises(UserWarning, match="NoneType.on_multirun_start"):  # Hydra has called it
        main(["explain", "-m", "model=small"])
    (folder / "canary").unlink()


@pytest.mark.parametrize(
    "override",
    [
        "+model._target_=os.system",
        "+model.layers=[{_target_: os.system}]",
        "+model.a={b: [{c: {_target_: os.system}}]}",
        "+model._partial_=true",
        "+model._call_=os.system",
        "data.units._target_=os.system",
        "sweep.grid={_target_: os.system}",
        "+evaluation.regressors.x={_target_: os.system}",
        "split.test={_target_: os.system}",
        "+model.x='${oc.decode:${oc.env:HARMFUL}}'",
        "+model.x='${oc.create:${oc.env:HARMFUL}}'",
        "+model.x=${harmful:}",
    ],
)
def test_no_key_of_ours_names_code(folder: Path, override: str):
    OmegaConf.register_new_resolver("harmful", lambda: dict(BODY), replace=True)
    try:
        with pytest.raises(InputError, match=r"_ must not be in a config, got") as refused:
            compose.compose([override])
        assert "\n" not in str(refused.value)
        if override.startswith("+model."):
            with pytest.raises(InputError, match="must not be in a config"):
                compose.compose([]).but([override])
    finally:
        OmegaConf.clear_resolver("harmful")


def test_a_recorded_configuration_names_none_either(folder: Path):
    text = compose.compose([]).yaml
    for value in ("${oc.create:'{_target_: os.system}'}", "[{_target_: os.system}]"):
        line = f'  x: "{value}"\n' if value.startswith("$") else f"  x: {value}\n"
        with pytest.raises(InputError, match="_target_ must not be in a config"):
            recorded.request(text.replace("\nmodel:\n", f"\nmodel:\n{line}"))
    for text in ("!!python/object/apply:os.system [touch canary]", "a: !!python/name:os.system"):
        with pytest.raises(InputError, match=r"config\.yaml of the run must be"):
            recorded.request(text)


FILES: list[dict[str, object]] = [
    {"model/small.yaml": {"name": "lstm", "x": BODY}},
    {"model/small.yaml": GLOBAL + OmegaConf.to_yaml(OmegaConf.create(CALLBACK))},
    {"model/small.yaml": GLOBAL + OmegaConf.to_yaml(OmegaConf.create(LOGGING))},
    {"model/small.yaml": "# @package hydra.callbacks.x\nname: lstm\n"},
    {"model/small.yaml": {"defaults": ["/window@hydra.callbacks.x: w"]}, "window/w.yaml": "a: 1"},
    {"model/small.yaml": {"defaults": [{"/window@_global_.hydra.job_logging": "w"}]}},
    {"model/small.yaml": "# @package _global_\nhydra: ${model}\n"},
    {"model/small.yaml": {"defaults": ["../../elsewhere"]}, "../elsewhere.yaml": "name: lstm"},
    {"model/small.yaml": "x: !!python/object/apply:os.system [touch canary]\n"},
]


@pytest.mark.parametrize("flags", [(), ("-m",), ("--cfg", "job")], ids=str)
@pytest.mark.parametrize("files", FILES, ids=lambda files: str(next(iter(files.values())))[:40])
def test_a_folder_of_files_runs_nothing(folder: Path, files, flags, capsys):
    for name, text in files.items():
        write(folder, name, text)
    assert main(["explain", *flags, "model=small"]) == 2
    told = capsys.readouterr().err
    assert told.startswith("forecast: ") and told.count("\n") == 1


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("hydra/launcher/basic.yaml", BODY),
        ("hydra/job_logging/none.yaml", {"version": 1, "handlers": {"x": {"()": "os.system"}}}),
        ("config.yaml", {"defaults": ["schema"], **CALLBACK}),
        ("config.yaml", {"defaults": ["schema"], "hydra": {"searchpath": ["pkg://this"]}}),
        ("config.yaml", {"defaults": ["schema"], "hydra": {"job": {"env_set": {"A": "b"}}}}),
    ],
)
def test_a_file_tells_hydra_nothing_of_how_it_runs(folder: Path, name, body, capsys):
    write(folder, name, body)
    with_hydra = () if name == "config.yaml" else ("-m",)
    assert main(["explain", *with_hydra]) == 2
    assert f"forecast: conf/{name}" in capsys.readouterr().err


def test_a_file_may_say_where_hydra_writes(folder: Path, capsys):
    text = (compose.CONF / "config.yaml").read_text("utf-8")
    write(folder, "config.yaml", text + "  run:\n    dir: elsewhere\n")
    assert main(["explain", "--cfg", "hydra"]) == 0
    assert "dir: elsewhere" in capsys.readouterr().out


@pytest.mark.parametrize(
    "words",
    [
        ("-m", "+hydra.callbacks.x._target_=os.system"),
        ("-m", "hydra.sweeper._target_=os.system"),
        ("-m", "hydra.launcher={_target_: os.system}"),
        ("-m", "++hydra={callbacks: {x: {_target_: os.system}}}"),
        ("-m", "hydra.job_logging.handlers.x={'()': os.system}"),
        ("hydra.searchpath=[pkg://antigravity]",),
        ("+model@hydra.callbacks.x=lstm",),
        ("-m", "--experimental-rerun=config.pickle"),
        ("-m", "-cd", "elsewhere"),
        ("--cfg", "job", "--config-path=elsewhere"),
    ],
    ids=" ".join,
)
def test_a_command_leaves_hydras_machinery_alone(folder: Path, words, capsys):
    assert main(["explain", *words]) == 2
    assert capsys.readouterr().err.startswith("forecast: overrides must ")


def test_what_a_command_may_set_of_hydra_is_set(folder: Path):
    safety.check_command(["hydra.run.dir=x", "hydra/launcher=basic", "hydra.verbose=true"])


NAMED = {
    "model": lambda name: models.defaults(name),
    "loss": lambda name: losses.build_loss(Training(loss=name)),
    "optimizer": lambda name: losses.build_optimizer(Training(optimizer=name)),
    "metric": lambda name: losses.build_metrics(Training(metrics=[name])),
    "regressor": lambda name: regression.regressor(name, {}),
    "baseline": lambda name: by_name.check_names([name]),
}


@pytest.mark.parametrize(
    "name", ["os.system", "build", "get", "deserialize", "__class__", "Lambda"]
)
@pytest.mark.parametrize("kind", NAMED)
def test_a_name_that_no_table_holds_is_refused(kind: str, name: str):
    """Also those of functions that stand beside models and losses."""
    with pytest.raises(InputError):
        NAMED[kind](name)
