"""Where MLflow's files are: the URI of an SQLite database at any path, and artefacts that stay in the runs folder.

MLflow stores absolute locations of artefacts in its database. A runs folder that was moved or copied therefore names
places elsewhere, and MLflow would write to them; :func:`relocate` corrects that.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from harness.core.errors import UsageError
from harness.core.hashing import sha256_text

DATABASE, ARTEFACTS = "mlflow.db", "mlartifacts"
_SQLITE = "sqlite:///"


def database_uri(path: Path) -> str:
    """The tracking URI of an SQLite database, whatever characters are in its path.

    Raises:
        UsageError: the installed SQLAlchemy has no way to write this path.
    """
    from sqlalchemy.engine import make_url

    text = str(path.absolute())
    # SQLAlchemy decodes percent signs from version 2.1 on. The plain form comes first: it is easier to read.
    for uri in (f"{_SQLITE}{text}", f"{_SQLITE}{quote(text, safe='/ :')}"):
        with suppress(UnicodeError):
            if make_url(uri).database == text and not make_url(uri).query:
                return uri
    raise UsageError(
        "MLflow's database cannot be addressed at this path",
        place=text,
        fix="choose a folder without '?', '%' and bytes that are not UTF-8 in its path, or update SQLAlchemy",
    )


def database_path(uri: str) -> Path | None:
    """The file of an SQLite tracking URI; None for servers and other stores."""
    from sqlalchemy.engine import make_url

    if not uri.startswith(_SQLITE):
        return None
    name = make_url(uri).database
    return Path(name).absolute() if name and name != ":memory:" and not name.startswith("file:") else None


def check_database(uri: str) -> None:
    """See that the database of a tracking URI takes connections: MLflow itself would try for minutes.

    Raises:
        UsageError: it lies in memory, and would be lost when the command ends.
        Exception: the driver's own, where it cannot be reached.
    """
    from sqlalchemy import create_engine
    from sqlalchemy.pool import NullPool

    dialect = uri.partition(":")[0].partition("+")[0]
    if dialect not in ("sqlite", "postgresql", "mysql", "mssql"):
        return
    if dialect == "sqlite" and database_path(uri) is None:
        raise UsageError(
            "an SQLite database in memory is lost when the command ends",
            place=f"MLFLOW_TRACKING_URI {uri}",
            fix="write sqlite:///PATH, or leave it out",
        )
    with create_engine(uri, poolclass=NullPool).connect():
        pass


@contextmanager
def without_strays(uri: str) -> Iterator[None]:
    """Remove empty folders that MLflow makes in the block by taking an encoded path (``a%3Fb``) for a plain one."""
    literal = Path(uri.removeprefix(_SQLITE)).parent if uri.startswith(_SQLITE) and "%" in uri else None
    made = [] if literal is None else [path for path in (literal, *literal.parents) if not path.exists()]
    try:
        yield
    finally:
        for path in made:
            with suppress(OSError):  # it was not made, or is not empty
                path.rmdir()


def artefact_folder(root: Path, dataset: str) -> Path:
    """The folder in the runs folder ``root`` for the artefacts of one dataset's runs."""
    return root.absolute() / ARTEFACTS / sha256_text(dataset)[:12]


def run_folder(root: Path, dataset: str, run_id: str) -> Path:
    """The folder for the artefacts of one run, by MLflow's own scheme."""
    return artefact_folder(root, dataset) / run_id / "artifacts"


def is_lost(artifact_uri: str) -> bool:
    """Whether artefacts are said to be in a folder on this machine that does not exist."""
    parts = urlsplit(artifact_uri)
    if parts.scheme not in ("", "file"):
        return False
    return not Path(unquote(parts.path) if parts.scheme else artifact_uri).is_dir()


def relocate(database: Path, root: Path, tag: str) -> int:
    """Have a runs folder's own database name the artefacts in this folder.

    Args:
        database: the SQLite file.
        root: the runs folder that it lies in.
        tag: experiments with this tag are ours.

    Returns:
        How many experiments and runs named another place.
    """
    moved = 0
    with closing(sqlite3.connect(database, timeout=60.0)) as connection, connection:
        ours = connection.execute(
            "SELECT experiment_id, name, artifact_location FROM experiments "
            "WHERE experiment_id IN (SELECT experiment_id FROM experiment_tags WHERE key = ?)",
            (tag,),
        ).fetchall()
        for experiment, name, location in ours:
            place = artefact_folder(root, name).as_uri()
            if location != place:
                connection.execute(
                    "UPDATE experiments SET artifact_location = ? WHERE experiment_id = ?", (place, experiment)
                )
                moved += 1
            moved += connection.execute(
                "UPDATE runs SET artifact_uri = ?1 || '/' || run_uuid || '/artifacts' "
                "WHERE experiment_id = ?2 AND artifact_uri != ?1 || '/' || run_uuid || '/artifacts'",
                (place, experiment),
            ).rowcount
    return moved


def place_run(database: Path, run_id: str, folder: Path) -> None:
    """Have a run's artefacts go to ``folder``, whatever its experiment says: runs folders may share a database."""
    folder.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(database, timeout=60.0)) as connection, connection:
        connection.execute(
            "UPDATE runs SET artifact_uri = ?1 WHERE run_uuid = ?2 AND artifact_uri != ?1", (folder.as_uri(), run_id)
        )


def copy_files(files: Mapping[str, Path], folder: Path) -> None:
    """Copy files into ``folder``: path in it → file."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, path in files.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)


def write_ahead(path: Path) -> None:
    """Let readers (the UI) and a writer work on the database at the same time; the setting stays with the file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with closing(sqlite3.connect(path)) as database:
            database.execute("PRAGMA journal_mode=WAL")
    except sqlite3.Error:  # file systems without shared memory: the default journal works, with more waiting
        return
