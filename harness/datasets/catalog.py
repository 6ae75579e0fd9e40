"""All datasets that the harness can see: in the package, in ``$BENCH_DATASETS``, and from installed plugins."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from harness.core.errors import BenchError, DataError, UsageError
from harness.core.folders import expanded
from harness.core.resources import package_data
from harness.core.suggest import unknown
from harness.datasets.card_file import CARD_FILE, read_card
from harness.datasets.dataset import Dataset, load_dataset
from harness.plugins import installed

GROUP = "harness.datasets"
VARIABLE = "BENCH_DATASETS"


@dataclass(frozen=True)
class Listed:
    """A dataset in the catalogue, or the reason why it is not usable.

    Attributes:
        name: its name; of a broken card, the name of its folder.
        origin: where it was found.
        dataset: the dataset; None when it is broken.
        problem: why it is broken; None when it is not.
    """

    name: str
    origin: str
    dataset: Dataset | None
    problem: BenchError | None


@dataclass(frozen=True)
class _Place:
    """A dataset folder and who pointed there; without a folder, why there is none."""

    name: str
    origin: str
    folder: Path | None
    problem: BenchError | None = None


def list_datasets() -> list[Listed]:
    """Every dataset by name. A broken one stands there with its reason and harms no other.

    Two datasets of one name are both listed as broken: each would hide the other.
    """
    found = [_load(place) for place in _places()]
    return sorted((_without_clash(one, found) for one in found), key=lambda one: (one.name, one.origin))


def find_dataset(name_or_path: str, *, place: str = "--dataset") -> Dataset:
    """A dataset by name, or by the path of its folder (or of its card).

    What holds a path separator is a path. A bare word is a name first, and a folder in the current one if no dataset
    has that name.

    Args:
        name_or_path: what was typed.
        place: where it was typed, for the error.

    Raises:
        UsageError: no such dataset (the nearest names are given), or two of that name (both origins are given).
        DataError: its card, labels or splits are wrong.
    """
    path = expanded(name_or_path)
    if path.name == CARD_FILE:
        path = path.parent
    if is_path(name_or_path) or path.is_absolute():
        return load_dataset(path)
    hits = _called(name_or_path)
    if not hits and _has_card(path):
        return load_dataset(path)
    if not hits:
        raise unknown(
            "dataset",
            name_or_path,
            {one.name for one in list_datasets()} | _here(),
            place=place,
            listing="bench datasets list",
        )
    problem = next((one.problem for one in hits if isinstance(one.problem, UsageError)), hits[0].problem)
    if problem is not None:
        raise problem
    assert hits[0].dataset is not None
    return hits[0].dataset


def named_dataset(name: str) -> Dataset | None:
    """The dataset of this name; None where there is none, or no such one that can be loaded."""
    return next((one.dataset for one in _called(name)), None)


def _called(name: str) -> list[Listed]:
    """The datasets of this name, as :func:`list_datasets` has them, without loading the others."""
    found = [_load(place) for place in _places() if name in {place.name, _card_name(place)}]
    return [_without_clash(one, found) for one in found if one.name == name]


def _card_name(place: _Place) -> str:
    """The name in the card of a folder; that of the place where there is no card that can be read."""
    try:
        return read_card(place.folder / CARD_FILE).name if place.folder is not None else place.name
    except Exception:
        return place.name


def folders_of(typed: str) -> tuple[Path, ...]:
    """The folders that ``typed`` means where it is a path: itself, or the one of the card."""
    path = expanded(typed).resolve()
    return path, path.parent


def is_path(text: str) -> bool:
    """Whether a text means a folder and not a name: ``./musk1`` is never the built-in dataset ``musk1``."""
    return any(separator in text for separator in (os.sep, os.altsep) if separator) or text in {".", ".."}


def _here() -> set[str]:
    """Folders with a card in the current one, as they are typed."""
    with suppress(OSError):
        return {f"./{one.name}" for one in Path().iterdir() if _has_card(one)}
    return set()


def _has_card(folder: Path) -> bool:
    try:
        return (folder / CARD_FILE).is_file()
    except (OSError, ValueError):
        return False  # no name of a file at all


def _without_clash(one: Listed, everything: list[Listed]) -> Listed:
    same = [other for other in everything if other.name == one.name]
    if len(same) == 1 or one.dataset is None:
        return one
    problem = UsageError(
        f"{len(same)} datasets have the name {one.name!r}",
        place=" and ".join(other.origin for other in same),
        fix="rename one of them (folder and card), or give the path of its folder instead of the name",
    )
    return Listed(one.name, one.origin, None, problem)


def _load(place: _Place) -> Listed:
    if place.folder is None:
        return Listed(place.name, place.origin, None, place.problem)
    try:
        dataset = load_dataset(place.folder)
        # Protocols often share a split file; one of each is enough to read here.
        for protocol in {card.splits: name for name, card in dataset.card.protocols.items()}.values():
            dataset.splits(protocol)
    except BenchError as wrong:
        return Listed(place.name, place.origin, None, wrong)
    except Exception as reason:
        # A catalogue has to survive whatever lies in a folder.
        problem = DataError(f"the dataset cannot be loaded: {reason}", place=str(place.folder), fix="check its files")
        return Listed(place.name, place.origin, None, problem)
    return Listed(dataset.name, place.origin, dataset, None)


def _places() -> list[_Place]:
    """All dataset folders, each once, even where two origins point to it."""
    seen: set[Path] = set()
    places = []
    for place in (*_in_folder(package_data("datasets"), "the package"), *_from_variable(), *_from_plugins()):
        if place.folder is not None:
            if place.folder.resolve() in seen:
                continue
            seen.add(place.folder.resolve())
        places.append(place)
    return places


def _in_folder(folder: Path, origin: str) -> Iterator[_Place]:
    """The folder itself if it has a card, else the folders in it that have one."""
    children = sorted(folder.iterdir()) if folder.is_dir() else []
    for candidate in [folder] if (folder / CARD_FILE).is_file() else children:
        if (candidate / CARD_FILE).is_file():
            yield _Place(candidate.name, f"{origin}: {candidate}", candidate)


def _from_variable() -> Iterator[_Place]:
    for text in os.environ.get(VARIABLE, "").split(os.pathsep):
        if not text.strip():
            continue
        folder = expanded(text)
        if folder.is_dir():
            yield from _in_folder(folder, f"${VARIABLE}")
        else:
            problem = DataError("there is no such folder", place=f"${VARIABLE}: {text}", fix="correct the variable")
            yield _Place(folder.name, f"${VARIABLE}: {folder}", None, problem)


def _from_plugins() -> Iterator[_Place]:
    for point in installed.entry_points(GROUP):
        package = point.dist.name if point.dist is not None else "an unknown package"
        origin = f"entry point {point.name} of {package}"
        try:
            target = point.load()
            folder = Path(target() if callable(target) else target)
            places = list(_in_folder(folder, origin))
            if not places:
                raise DataError(f"there is no {CARD_FILE} in {folder}", place=origin, fix=f"correct {package}")
            yield from places
        except BenchError as wrong:
            yield _Place(point.name, origin, None, wrong)
        except (Exception, SystemExit) as reason:
            problem = DataError(
                f"the plugin failed: {type(reason).__name__}: {reason}",
                place=f"{origin} ({point.value})",
                fix=f"correct or uninstall {package}",
            )
            yield _Place(point.name, origin, None, problem)
