"""The pictures of README.md and docs/, made anew from real runs: `make docs-pictures`.

`make docs-pictures ARGS=FOLDER` takes the store in a folder, and trains into it what is not there.
"""

import shlex
import subprocess
import sys
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from PIL import Image

from benchmarks import comparison
from forecast.cli import links
from forecast.evaluation.significance.ranks import friedman
from forecast.report.comparison import diagram
from forecast.report.figures import MODEL, TRUE, dates, plain
from forecast.tracking.mlflow import pages
from forecast.tracking.mlflow.store import client
from tests.ui import browser
from tests.ui.browser import ROOT, Visitor

PICTURES = ROOT / "docs" / "pictures"

RUNS = {
    "lstm-32": [],
    "lstm-64": ["model.units=[64]", "training.epochs=5"],
    "causal_cnn": ["model=causal_cnn"],
    "nlinear": ["model=nlinear"],
}
"""What runs are called here, and what is said behind `forecast train`."""

LARGEST = 250_000
"""Bytes of a picture."""

SHOWN = 14
"""Forecasts in the first picture."""

EIGHTHS = 8
"""Parts of the test span; with each series, a case of the ranks."""


def main(folder: Path) -> None:
    """Make every picture."""
    folder.mkdir(parents=True, exist_ok=True)
    runs = {name: _run(folder, name) for name in RUNS}
    store = client(_uri(folder))
    _of_a_run(store, runs["lstm-32"])
    _save(_first(store, runs["lstm-32"]), "first")
    _ranks(store, runs)
    experiment = store.get_run(runs["lstm-32"]).info.experiment_id
    with browser.served(folder) as address, browser.chromium() as chromium:
        visitor = Visitor(chromium, address)
        _save(
            _gates(visitor, store, experiment, [runs["lstm-32"], runs["lstm-64"]]), "mlflow_gates"
        )
        visitor.close()
        visitor = Visitor(chromium, address)
        for name, picture in _pages(visitor, experiment, runs["lstm-32"]):
            _save(picture, name)
        visitor.close()
        with TemporaryDirectory() as place:
            report = store.download_artifacts(runs["lstm-32"], "report.html", place)
            page = chromium.new_page(viewport={"width": 1280, "height": 985}, color_scheme="light")
            page.goto(Path(report).as_uri())
            heading = page.get_by_role("heading", name="Scores and baselines")
            heading.evaluate("one => one.scrollIntoView()")
            _save(page.screenshot(), "report")
        _save(_compared(chromium), "compare")
    if visitor.faults or visitor.abroad:
        sys.exit("\n".join(visitor.faults + visitor.abroad))


def _compared(chromium: Any) -> bytes:
    """Take a picture of the page that compares many runs, which are made."""
    with TemporaryDirectory() as place:
        comparison.fill(Path(place), 1000)
        words = ["compare", f"tracking.experiment={comparison.EXPERIMENT}"]
        command = [sys.executable, "-m", "forecast", *words]
        subprocess.run(command, cwd=place, check=True, stdout=subprocess.DEVNULL)
        page = chromium.new_page(viewport={"width": 1280, "height": 1240}, color_scheme="light")
        page.goto((Path(place) / "compare.html").as_uri())
        page.locator("#effects").evaluate("one => one.scrollIntoView()")
        return bytes(page.screenshot())


def _uri(folder: Path) -> str:
    return f"sqlite:///{folder / 'mlflow.db'}"


def _run(folder: Path, name: str) -> str:
    """Find the oldest run that a command of ours has made, or make it."""
    words = ["train", *RUNS[name]]
    if (folder / "mlflow.db").exists():
        store = client(_uri(folder))
        experiments = store.search_experiments(filter_string="name = 'nyc_weather'")
        found = store.search_runs(
            [experiment.experiment_id for experiment in experiments],
            f"tags.`forecast.command` = {shlex.join(['forecast', *words])!r}"
            " AND attributes.status = 'FINISHED'",
            order_by=["attributes.start_time ASC"],
        )
        if found:
            return str(found[0].info.run_id)
    print("training", name, flush=True)
    command = [sys.executable, "-m", "forecast", *words]
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    return _run(folder, name)


def _of_a_run(store: Any, run: str) -> None:
    """Take the pictures that the default training leaves among its artifacts."""
    kept = [file.path for file in store.list_artifacts(run, "images")]

    def last(key: str) -> str:
        found = [path for path in kept if f"/{key}~lstm_1+" in path and path.endswith(".png")]
        return max(found, key=lambda path: int(path.split("+")[2]))

    paths = {
        "forecasts": "figures/forecasts.png",
        "gates": last("gates.final"),
        "activity": last("activity"),
        "inputs": last("inputs"),
        "trace": "figures/gates_lstm_1.png",
        "memory": "figures/memory.png",
    }
    with TemporaryDirectory() as place:
        for name, path in paths.items():
            _save(Path(store.download_artifacts(run, path, place)).read_bytes(), name)


def _ranks(store: Any, runs: dict[str, str]) -> None:
    """Rank models over the eighths of the test span in each series."""
    names = ["lstm", "causal_cnn", "nlinear", "ridge", "persistence", "seasonal_naive"]
    ids = [runs["lstm-32"], runs["causal_cnn"], runs["nlinear"]]
    experiment = store.get_run(ids[0]).info.experiment_id
    ids += [
        store.search_runs(
            [experiment],
            f"params.model = '{name}' AND tags.`forecast.kind` = 'baseline'",
            order_by=["attributes.start_time ASC"],
        )[0].info.run_id
        for name in names[3:]
    ]
    columns = []
    for run in ids:
        with TemporaryDirectory() as place:
            frame = pd.read_parquet(store.download_artifacts(run, "predictions.parquet", place))
        errors = (frame["true"] - frame["forecast"]).abs()
        part = frame.origin.rank(method="dense").to_numpy()
        part = np.ceil(part / part.max() * EIGHTHS)
        columns.append(errors.groupby([frame.series, part]).mean())
    table = np.column_stack([column.to_numpy() for column in columns])  # (cases, models)
    figure = diagram(friedman(table, names))
    file = BytesIO()
    figure.savefig(file, dpi=120)
    _save(file.getvalue(), "critical_difference")


def _gates(visitor: Visitor, store: Any, experiment: str, ids: list[str]) -> bytes:
    """Put the gates of two networks beside each other in MLflow, as docs/gates.md tells to."""
    named = {run: store.get_run(run).info.run_name for run in ids}
    page = visitor.go(links.beside(store, [experiment], named).removeprefix("#"))
    shown = page.locator("img[src*='gates.final~lstm_1']")
    shown.nth(1).wait_for()
    page.wait_for_function("[...document.images].every(one => one.naturalWidth > 0)")
    card = page.get_by_test_id("experiment-view-compare-runs-card")
    return _shot(page, clip=card.filter(has=shown).first.bounding_box())


def _pages(visitor: Visitor, experiment: str, run: str) -> Iterator[tuple[str, bytes]]:
    """Look at the pages that people reach first: all runs, their charts, one run."""
    page = visitor.go(pages.runs(experiment).removeprefix("#"))
    page.locator("[role=gridcell][col-id='metrics.`test/mae`']").first.wait_for()
    yield "mlflow_table", _shot(page)
    page = visitor.go(pages.runs(experiment, charts=True).removeprefix("#"))
    page.set_viewport_size({"width": 1280, "height": 5200})  # only charts in sight are there
    cards = page.get_by_test_id("experiment-view-compare-runs-card")
    lines = [cards.filter(has_text=key).first for key in ("train/loss", "val/loss", "horizon/mae")]
    for card in lines:
        card.locator(".scatterlayer path.js-line").first.wait_for()
    first, last = lines[0].bounding_box(), lines[-1].bounding_box()
    right = lines[1].bounding_box()
    size = {
        "width": right["x"] + right["width"] - first["x"] + 10,
        "height": last["y"] + last["height"] - first["y"] + 50,
    }
    yield "mlflow_charts", _shot(page, clip={"x": first["x"] - 5, "y": first["y"] - 45, **size})
    page.set_viewport_size({"width": 1280, "height": 1000})
    page = visitor.go(pages.run_page(experiment, run).removeprefix("#"))
    page.get_by_text("Show more").first.click()
    page.get_by_text("Run it again:").wait_for()
    yield "mlflow_run", _shot(page)


def _shot(page: Any, clip: dict[str, float] | None = None) -> bytes:
    """Take a picture without the button of MLflow's chat over the corner."""
    page.add_style_tag(content="[data-assistant-ui] {display: none}")
    shot: bytes = page.screenshot(clip=clip)
    return shot


def _first(store: Any, run: str) -> bytes:
    """Compose the README's first picture: forecasts, their error beside baselines, and gates."""
    with TemporaryDirectory() as place:
        said = pd.read_parquet(store.download_artifacts(run, "predictions.parquet", place))
        by_step = Image.open(store.download_artifacts(run, "figures/error_by_horizon.png", place))
        by_step.load()
    said = said[said.series == "JFK"]
    origins = np.sort(said.origin.unique())[:: -said.step.max()][:SHOWN]
    figure = Figure(figsize=(12.8, 3.1), layout="constrained")
    axes = figure.subplots()
    shown = said[said.time > origins.min()].drop_duplicates("time").sort_values("time")
    axes.plot(shown.time, shown.true, color=TRUE, lw=1)  # one line, across the forecasts' ends
    for origin in origins:
        window = said[said.origin == origin]
        axes.plot(window.time, window.forecast, color=MODEL, lw=2)
        axes.fill_between(window.time, window.lower, window.upper, color=MODEL, alpha=0.2, lw=0)
    names = ["true", "forecast of the next 24 hours", "90% interval"]
    axes.legend([*axes.lines[:2], axes.collections[0]], names, ncols=3, frameon=False, loc=2)
    plain(axes, "JFK: temp, °F")
    dates(axes)
    file = BytesIO()
    figure.savefig(file, dpi=100)
    above = Image.open(file).convert("RGB")
    right = (
        Image.open(PICTURES / "gates.png")
        .convert("RGB")
        .resize((500, 500), Image.Resampling.LANCZOS)
    )
    size = 640, 640 * by_step.height // by_step.width
    by_step = by_step.convert("RGB").resize(size, Image.Resampling.LANCZOS)
    whole = Image.new("RGB", (above.width, above.height + right.height), "white")
    whole.paste(above, (0, 0))
    whole.paste(by_step, (0, above.height + (right.height - by_step.height) // 2))
    middle = (size[0] + above.width - right.width) // 2
    whole.paste(right, (middle, above.height))
    file = BytesIO()
    whole.save(file, "PNG")
    return file.getvalue()


def _save(picture: bytes, name: str) -> None:
    """Keep a picture; one that is too large with the 256 colours that it needs most."""
    file = PICTURES / f"{name}.png"
    image = Image.open(BytesIO(picture)).convert("RGB")
    image.save(file, optimize=True)
    if file.stat().st_size > LARGEST:
        image.quantize(256, kmeans=1).save(file, optimize=True)
    print(
        f"{file.relative_to(ROOT)}  {image.width} x {image.height}  {file.stat().st_size:,} bytes"
    )


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]).resolve())
    else:
        with TemporaryDirectory() as folder:
            main(Path(folder))
