"""Drawing many slides into a folder: in parallel, resumable, never into a folder that holds something else."""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from harness.core import atomic, console, interpreter
from harness.core.errors import DataError
from harness.core.hashing import sha256_file
from harness.core.reading import read_json
from harness.synthetic.asap import TRAINING_GROUPS

VERSION = 1
"""Raised whenever a slide comes out differently; part of every slide's seed and of every manifest."""

MANIFEST = "manifest.json"

_LIBRARIES = ("numpy", "pillow", "tifffile", "imagecodecs")


@dataclass(frozen=True)
class Job:
    """One slide to draw.

    Attributes:
        slide: path of the TIFF, relative to the root.
        annotation: path of the XML with the lesions, relative to the root; None where there are none.
        seed: the slide's seed.
        side_px, mpp, levels: width and height in pixels, microns per pixel, number of levels.
        center: whose stain.
        metastasis: ``macro``, ``micro`` or None.
        groups: names of the two annotation groups.
    """

    slide: str
    annotation: str | None
    seed: int
    side_px: int
    mpp: float
    levels: int
    center: str
    metastasis: str | None
    groups: tuple[str, str] = TRAINING_GROUPS


def draw_jobs(
    root: Path, jobs: Sequence[Job], *, name: str, settings: Mapping[str, Any], tables: Mapping[str, str], workers: int
) -> None:
    """Draw what is still missing of a drawing.

    Args:
        root: the folder; made when absent. It has to be empty or hold the same drawing, whole or begun.
        jobs: its slides.
        name, settings: which drawing it is; with :data:`VERSION` they say what the folder holds.
        tables: text files to write besides, by path relative to the root.
        workers: processes; 1 draws in this one.

    Raises:
        DataError: the folder holds something else, or cannot be written.
    """
    identity = {"drawing": name, "version": VERSION, "settings": dict(settings)}
    manifest = _claim(root, identity)
    if manifest["complete"] and all(_has(root, path, facts) for path, facts in manifest["files"].items()):
        return
    todo = [job for job in jobs if not (root / job.slide).is_file()]
    try:
        _draw_all(root, todo, name, max(1, min(workers, len(todo))))
        for path, text in tables.items():
            atomic.write_text(root / path, text)
        written = [job.slide for job in jobs] + [job.annotation for job in jobs if job.annotation] + list(tables)
        files = {path: _facts(root / path) for path in sorted(written)}
        libraries = {library: version(library) for library in _LIBRARIES}
        atomic.write_json(root / MANIFEST, {**identity, "libraries": libraries, "complete": True, "files": files})
    except OSError as error:
        raise DataError(
            f"slides cannot be drawn: {error.strerror or error}",
            place=str(error.filename or root),
            fix="make room or choose another folder; what is drawn already will not be drawn again",
        ) from error


def draw_job(root: Path, job: Job) -> str:
    """Draw one slide and its annotation; return the slide's path. Both files are whole or absent."""
    from harness.synthetic.asap import asap_xml
    from harness.synthetic.paint import paint
    from harness.synthetic.pyramid import write_pyramid

    painted = paint(job.seed, side_px=job.side_px, mpp=job.mpp, center=job.center, metastasis=job.metastasis)
    if job.annotation is not None:
        anatomy = painted.anatomy
        xml = asap_xml(anatomy.lesions, anatomy.spared, mpp=job.mpp, groups=job.groups)
        atomic.write_text(root / job.annotation, xml)
    # The slide comes last: where it stands, its annotation stands too.
    with atomic.replacing(root / job.slide) as temporary:
        write_pyramid(temporary, painted.image, mpp=job.mpp, levels=job.levels)
    return job.slide


def _draw_all(root: Path, todo: Sequence[Job], name: str, workers: int) -> None:
    with console.progress(f"drawing {name}", total=len(todo)) as bar:
        if workers == 1:
            for job in todo:
                bar.advance(status=draw_job(root, job))
            return
        # Fresh processes: a fork of one that runs threads (torch, a progress bar) can hang.
        interpreter.isolate_children()
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(workers, mp_context=context) as pool:
            futures = [pool.submit(draw_job, root, job) for job in todo]
            try:
                for future in as_completed(futures):
                    bar.advance(status=future.result())
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                for process in multiprocessing.active_children():  # else the pool waits for slides under way
                    process.terminate()
                raise


def _claim(root: Path, identity: dict[str, Any]) -> dict[str, Any]:
    """The manifest of ``root``, written there first if the folder is empty."""
    path = root / MANIFEST
    if path.is_file():
        try:
            manifest: dict[str, Any] = read_json(path)
        except (OSError, ValueError):
            manifest = {}
        manifest = manifest if isinstance(manifest, dict) else {}
        if {key: manifest.get(key) for key in identity} == json.loads(json.dumps(identity)):
            return manifest
        problem = "the folder holds another drawing"
    elif root.is_dir() and any(not entry.name.startswith(".") for entry in root.iterdir()):
        problem = "the folder is not empty and holds no drawing of the harness"
    else:
        manifest = {**identity, "complete": False, "files": {}}
        atomic.write_json(path, manifest)
        return manifest
    raise DataError(problem, place=str(root), fix="choose another folder, or remove this one if it can go")


def _has(root: Path, path: str, facts: Mapping[str, Any]) -> bool:
    file = root / path
    return file.is_file() and file.stat().st_size == facts["bytes"]


def _facts(file: Path) -> dict[str, Any]:
    return {"bytes": file.stat().st_size, "sha256": sha256_file(file)}
