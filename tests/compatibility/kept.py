"""Stores that earlier commits wrote, unpacked as if they had been written where they now lie."""

import json
import sqlite3
import tarfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent


def unpack(commit: str, folder: Path) -> dict[str, Any]:
    """Unpack what a commit wrote.

    Args:
        commit: Name of the archive.
        folder: Where to.

    Returns:
        What is known of it: ids, scores.
    """
    with tarfile.open(HERE / f"{commit}.tar.xz") as archive:
        archive.extractall(folder, filter="data")
    known = json.loads((folder / "known.json").read_text("utf-8"))
    with sqlite3.connect(folder / "mlflow.db") as base:  # MLflow keeps absolute paths
        tables = base.execute("select name from sqlite_master where type = 'table'").fetchall()
        for (table,) in tables:
            for _, column, kind, *_ in base.execute(f"pragma table_info({table})").fetchall():
                if "CHAR" in kind:
                    base.execute(
                        f"update {table} set {column} = replace({column}, ?, ?) "
                        f"where instr({column}, ?)",
                        (known["root"], str(folder), known["root"]),
                    )
    base.close()
    return known
