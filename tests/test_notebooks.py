"""The notebooks run from top to bottom, and what is kept of them comes from such a run."""

import json
import os
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted(ROOT.glob("docs/notebooks/*.ipynb"))


def outputs(notebook: dict) -> list[dict]:
    return [out for cell in notebook["cells"] for out in cell.get("outputs", ())]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_what_is_kept_has_no_fault_and_names_no_machine(path):
    notebook = json.loads(path.read_text("utf-8"))
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    assert {out["output_type"] for out in outputs(notebook)} <= {
        "display_data",
        "execute_result",
        "stream",
    }
    assert {out.get("name", "stdout") for out in outputs(notebook)} == {"stdout"}
    text = path.read_text("utf-8")
    assert not re.search(r"/(home|root|work|tmp)/|site-packages", text)
    assert path.stat().st_size < 600_000


@pytest.mark.docs
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_runs_and_shows_the_same_things(path, monkeypatch):
    import nbformat
    from nbclient import NotebookClient

    monkeypatch.setenv("PYTHONPATH", f"{ROOT}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    kept, again = (nbformat.read(path, as_version=4) for _ in range(2))
    where = {"metadata": {"path": str(path.parent)}}
    NotebookClient(again, timeout=300, kernel_name="python3", resources=where).execute()
    assert [shape(out) for out in outputs(again)] == [shape(out) for out in outputs(kept)]


def shape(out: dict) -> tuple:
    """What kind of thing is shown; numbers may differ in their last digits."""
    return out["output_type"], out.get("name"), tuple(sorted(out.get("data", ())))
