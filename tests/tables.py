"""MLflow's empty tables, made once a process and copied into every other file that is new."""

import sqlite3
import sys
from typing import Any

_EMPTY: list[bytes] = []


def copy_empty() -> None:
    """Let MLflow copy its tables; making them by all its migrations takes a second each time.

    Only into a file without tables: what a file of an older or of a foreign kind becomes, and what
    other databases are given, is left to MLflow.
    """
    from mlflow.store.db import utils

    make = utils._initialize_tables
    if getattr(make, "copies", False):
        return

    def copy_or_make(engine: Any) -> None:
        if engine.url.get_backend_name() != "sqlite" or not engine.url.database:
            make(engine)
            return
        pooled = engine.raw_connection()
        try:
            here: sqlite3.Connection = pooled.driver_connection
            if here.execute("select count(*) from sqlite_master").fetchone() != (0,):
                make(engine)
            elif _EMPTY:
                kept = sqlite3.connect(":memory:")
                kept.deserialize(_EMPTY[0])
                kept.backup(here)
                kept.close()
            else:
                make(engine)
                _EMPTY.append(here.serialize())
        finally:
            pooled.close()

    copy_or_make.copies = True  # type: ignore[attr-defined]
    utils._initialize_tables = copy_or_make


def copy_where_imported() -> None:
    """The same, where MLflow has been imported already; most tests do without it."""
    if "mlflow.store.db.utils" in sys.modules:
        copy_empty()
