"""Names that come with the data are text wherever they stand: pages, paths and the terminal."""

from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest

from ..conftest import Place, load_frame, word

pytestmark = pytest.mark.slow

SERIES = (
    "../../../escaped",
    "/tmp/escaped",
    "C:\\escaped",
    "..",
    "</script><script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</svg><style>*{display:none}</style>",
    "x" * 300,
    "[/bold][link=file:///etc]a[/link]",
)
TARGET = '</table><img src="x" onerror="alert(1)">../../load'
FEATURE = "<svg onload=alert(1)>/../temp"
UNIT = "<b onmouseover=alert(1)>"
OURS = {"script", "style", "svg", "img", "b", "meta", "title"}


def train(folder: Path) -> tuple[Place, str]:
    """Train on data whose every name means harm; return the run."""
    one = load_frame(60)
    one = one[one.site == "north"]
    frame = pd.concat([one.assign(site=name) for name in SERIES])
    frame = frame.rename(columns={"load": TARGET, "temp": FEATURE})
    (folder / "work").mkdir()
    frame.to_parquet(folder / "work" / "<i>data.parquet")
    (folder / "work" / "conf" / "data").mkdir(parents=True)
    names = {"name": "<i onclick=a()>name", "path": "<i>data.parquet", "time": "time"}
    more = {"series": ["site"], "targets": [TARGET], "features": [TARGET, FEATURE]}
    told = pd.Series(names | more | {"units": {TARGET: UNIT}}).to_json()
    (folder / "work" / "conf" / "data" / "hostile.yaml").write_text(told)
    place = Place(folder / "work", [], [])
    small = ["model=lstm", "model.units=[2]", "model.recurrent_dropout=0.0", "training.epochs=1"]
    small += ["window.timesteps=4", "window.horizon=2", "gates.memory=16", "gates.pictures=1"]
    small += ["tracking.experiment=hostile", "tracking.run_name='<i onclick=a()>../../run'"]
    # MLflow keeps one engine an address, whatever folder that is relative to
    small += [f"tracking.uri={place.uri}"]
    assert place.run("train", "data=hostile", *small) == 0, place.errors
    return place, word(place.printed[-1], "run")


class Page(HTMLParser):
    """Every tag of a page with its attributes, and every text."""

    def __init__(self, text: str):
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.texts.append(data)


def test_names_stay_text_and_paths_stay_inside(tmp_path: Path):
    before = {path for path in Path("/tmp").iterdir() if "escaped" in path.name}
    place, run = train(tmp_path)
    pages = {path.name: path for path in place.folder.rglob("*.html")}
    assert set(pages) == {"report.html", "gates.html"}
    for path in pages.values():
        page = Page(path.read_text("utf-8"))
        assert [tag for tag, _ in page.tags].count("script") == 1
        for tag, given in page.tags:
            assert not [name for name in given if name.startswith("on")], (tag, given)
            if tag == "img":
                assert given["src"].startswith("data:image/")
    shown = "".join(Page(pages["report.html"].read_text("utf-8")).texts)
    assert all(text in shown for text in (*SERIES[:8], TARGET, FEATURE, UNIT))
    assert {path.name for path in tmp_path.iterdir()} == {"work"}
    assert {p for p in Path("/tmp").iterdir() if "escaped" in p.name} == before
    written = [path.name for path in place.folder.glob("*/**/*") if "conf" not in path.parts]
    assert not [name for name in written if "escaped" in name or "<" in name]
    assert (
        place.run("predict", f"run={run}", f"tracking.uri={place.uri}", "output=../said.csv") == 0
    ), place.errors
    assert set(pd.read_csv(tmp_path / "said.csv").series) == set(SERIES)
