"""What the documents name exists: commands, targets, options, keys, links, metrics."""

import re

import pytest

from forecast.cli.main import COMMANDS

from .pages import PAGES, ROOT, commands, prose, read

MADE_BY_THE_READER = {"data=jfk_daily", "data=load", "data=messy", "model=conv_gru"}
"""Options that exist only once the reader has written them, as the pages tell."""

GROUPS = (
    "data",
    "window",
    "model",
    "training",
    "split",
    "evaluation",
    "backtest",
    "sweep",
    "gates",
    "tracking",
)
DICTS = ("data.circular", "data.valid", "data.units", "evaluation.regressors")
"""Keys whose own keys are the user's: columns of a file, classes of scikit-learn."""

OTHERS = {"gates.alert", "model.fit", "model.keras", "model.predict"}
"""What reads like a key: a tag, a file, methods of Keras."""

MANUALS = [page for page in PAGES if page not in ("CHANGELOG.md", "docs/design.md")]


def words(command: str) -> list[str]:
    return command.replace("'", "").replace('"', " ").split()


@pytest.mark.parametrize("page", PAGES)
def test_every_block_says_its_language(page):
    fences = re.findall(r"^```(.*)$", read(page), re.M)
    assert set(fences[::2]) <= {"bash", "python", "text", "yaml", "diff", "json"}
    assert set(fences[1::2]) <= {""}


@pytest.mark.parametrize("page", PAGES)
def test_what_is_typed_stands_in_fences(page):
    """Only those are run."""
    typed = (
        r"^ {4,}(?:\$ |[A-Z_]+=\S+ )*(?:forecast|make|dask|mlflow|pip|python3?|git|export|curl) "
    )
    assert re.findall(typed + ".*$", prose(page), re.M) == []


@pytest.mark.parametrize("page", MANUALS)
def test_forecast_commands_exist(page):
    said = {
        word
        for command in commands(page)
        if command.startswith("forecast ")
        for word in words(command)[1:2]
        if word.isalpha()
    }
    assert said <= {*COMMANDS, "COMMAND"}


@pytest.mark.parametrize("page", MANUALS)
def test_make_targets_exist(page):
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.M))
    assert set(re.findall(r"\bmake ([a-z-]+)", "\n".join(commands(page)))) <= targets


@pytest.mark.parametrize("page", MANUALS)
def test_options_of_groups_exist(page):
    pairs = re.findall(r"(?<![\w.])([a-z]+)=([a-z_0-9/]+)", "\n".join(commands(page)))
    said = {pair for pair in pairs if (ROOT / "conf" / pair[0]).is_dir()}
    missing = {
        f"{group}={option}"
        for group, option in said
        if not (ROOT / "conf" / group / f"{option}.yaml").is_file()
    }
    assert missing <= MADE_BY_THE_READER


@pytest.fixture(scope="module")
def keys() -> set[str]:
    """Every key of the configuration, with the settings of every model, and the names of gates."""
    from forecast import gates
    from forecast.cli.config import compose

    models = (ROOT / "conf" / "model").glob("*.yaml")
    known = {key for one in models for key in compose.compose([f"model={one.stem}"]).flat}
    pictures = {"gates.final"}  # head of the keys of pictures of kept weights
    return known | pictures | {f"gates.{name}" for name in gates.__all__}


@pytest.mark.parametrize("page", MANUALS)
def test_keys_of_the_configuration_exist(page, keys):
    text = "\n".join(commands(page))
    said = set(re.findall(rf"(?<![\w./-])(?:{'|'.join(GROUPS)})(?:\.[a-z_0-9]+)+", text))
    said = {
        key for key in said if not key.startswith(DICTS) and not key.endswith((".yaml", ".html"))
    }
    if page == "README.md":
        assert {"training.learning_rate", "data.missing", "sweep.folds"} <= said
    assert said - OTHERS <= keys


@pytest.mark.parametrize("page", PAGES)
def test_links_resolve(page):
    targets = re.findall(r"\]\(([^)#\s]+)", read(page))
    here = (ROOT / page).parent
    lost = [name for name in targets if "://" not in name and not (here / name).exists()]
    assert lost == []


@pytest.mark.parametrize("page", PAGES)
def test_pages_name_no_machine_and_no_registry(page):
    assert not re.search(
        r"/(home|root|work|tmp)/|pypi\.|https?://(?!127\.0\.0\.1|[a-z]+-host\b)", read(page)
    )


@pytest.mark.docs
def test_metrics_page_names_everything_a_run_holds(client, lstm_run):
    page = read("docs/metrics.md").replace("<layer>", "lstm_1").replace("<series>", "north")
    named = set(re.findall(r"`([^`]+)`", page))
    named |= {name.replace("<gate>", gate) for name in named for gate in "ifco"}
    baselines = ("persistence", "seasonal_naive", "boosted_trees", "ridge")
    named |= {name.replace("<baseline>", b) for name in named for b in baselines}
    kinds = re.findall(r"`([a-z_]+)`", page.partition("`gates.alert.<kind>`")[2].partition("\n")[0])
    named |= {f"gates.alert.{kind}" for kind in kinds}
    run = client.get_run(lstm_run)
    unknown = {
        key
        for key in (*run.data.metrics, *run.data.tags)
        if key not in named and not re.search("_south$|_seasonal_naive$|/seasonal_naive$", key)
    }
    assert unknown - {"mlflow.runName", "mlflow.loggedImages"} == set()
    held = {file.path for file in client.list_artifacts(lstm_run)}
    tops = {name.split("/")[0] for name in named}
    assert held <= tops
