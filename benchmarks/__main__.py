"""`make bench`: run the comparisons, write `results.json` and the tables of docs/performance.md."""

import json
import os
import platform
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks import pairs
from benchmarks.cases import CASES

ROOT = Path(__file__).parents[1]
RESULTS = Path(__file__).with_name("results.json")
PAGE = ROOT / "docs" / "performance.md"
BEGIN, END = "<!-- table begins -->", "<!-- table ends -->"
ALONE: tuple[str, ...] = ("memory", "scaling", "flops", "startup", "evaluation", "tracking")
ALONE += ("gates", "sweep", "trials", "worker", "serving", "http", "compare", "scale")
PAIRS = 5
PACKAGES = ("forecast-lab", "tensorflow", "keras", "numpy", "torch")
console = Console(highlight=False)


def main(names: list[str]) -> None:
    """Measure what is named, or everything, keeping what was measured before of the rest.

    Args:
        names: Of comparisons and measurements.
    """
    known = [*CASES, *ALONE]
    for name in names:
        if name not in known:
            sys.exit(f"bench: no comparison {name!r}; there are {', '.join(known)}")
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    results["machine"] = machine()
    for name in names or known:
        found = compare(name) if name in CASES else alone(name)
        results[name] = found
        console.print(f"{name:<11}", found.get("ratio") or found["value"], found["bar"], sep="   ")
        RESULTS.write_text(json.dumps(results, indent=2, ensure_ascii=False) + "\n")
    text = PAGE.read_text(encoding="utf-8")
    head, rest = text.split(BEGIN)
    PAGE.write_text(f"{head}{BEGIN}\n{table(results)}{END}{rest.split(END)[1]}", encoding="utf-8")


def compare(name: str) -> dict[str, object]:
    """Run both sides of a comparison in turn."""
    case = CASES[name]
    ratio = pairs.compare(name, PAIRS)
    return {"text": case.text, "bar": case.bar, "reach": case.reach, **ratio.summary()}


def alone(name: str) -> dict[str, object]:
    """Run a measurement of our side in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.alone", name]
    told = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    return dict(json.loads(told.stdout.splitlines()[-1]))


def machine() -> dict[str, object]:
    """Say what it ran on."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if sys.platform == "linux" else []
    model = next((x.split(":")[1].strip() for x in lines if x.startswith("model name")), "unknown")
    return {
        "processor": model,
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        **{name: version(name) for name in PACKAGES},
    }


def table(results: dict[str, dict[str, Any]]) -> str:
    """Write the results as a Markdown table."""
    lines = ["| comparison | ratio, median (min – max) | bar | goal | seconds, ours : rival |"]
    lines.append("|---|---|---|---|---|")
    for name in CASES:
        if found := results.get(name):
            lines.append(
                "| {text} | **{ratio}** ({min} – {max}) | ≥ {bar:g} | {reach:g} | "
                "{ours_seconds} : {rival_seconds} |".format(**found)
            )
    lines += ["", "| measurement | value | detail | bar |", "|---|---|---|---|"]
    lines += [
        "| {text} | **{value}** | {detail} | {bar} |".format(**results[name])
        for name in ALONE
        if name in results
    ]
    box = results["machine"]
    told = ", ".join(f"{name} {box[name]}" for name in ("python", *PACKAGES))
    return "\n".join([*lines, "", f"{box['processor']}, {box['cores']} cores; {told}.", ""])


if __name__ == "__main__":
    main(sys.argv[1:])
