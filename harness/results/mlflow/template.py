"""An empty MLflow database in the cache: MLflow takes seconds to make the tables of a new one, copying it none."""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress
from importlib.metadata import version
from pathlib import Path

from harness.core.atomic import replacing, sweep
from harness.core.resources import cache_root


def template_path() -> Path:
    """Where the empty database of the installed MLflow is kept."""
    return cache_root() / "mlflow" / f"empty-{version('mlflow')}.db"


def copy_template(database: Path) -> bool:
    """Begin a new ``database``, which the caller has locked, with the tables of the template, if there is one."""
    with suppress(OSError):
        sweep(database)
        content = template_path().read_bytes()
        with replacing(database) as temporary:
            temporary.write_bytes(content)
        return True
    return False


def keep_template(database: Path) -> None:
    """Keep the tables of a ``database`` that nothing has been written to, for the next runs folder."""
    with suppress(OSError, sqlite3.Error), replacing(template_path()) as temporary:
        with closing(sqlite3.connect(database)) as source, closing(sqlite3.connect(temporary)) as target:
            source.backup(target)
        with closing(sqlite3.connect(temporary)) as target, target:
            target.execute("DELETE FROM experiments")  # the default one names a folder; MLflow makes it again
            target.execute("PRAGMA journal_mode=DELETE")
