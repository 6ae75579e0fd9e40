"""Reading card.yaml: every mistake is answered with the file, the field and what belongs there."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from harness.core.errors import BenchError, DataError, UsageError, shown
from harness.core.plain_yaml import YamlError, read_yaml
from harness.core.suggest import nearest
from harness.datasets import card as cards
from harness.datasets.card import DatasetCard, ReportsSource
from harness.datasets.names import check_label, check_name
from harness.datasets.source_registry import find_source
from harness.tasks.registry import find_task, task_registry

CARD_FILE = "card.yaml"
_LONGEST_NAME, _LONGEST_PATH = 100, 1000


def read_card(path: Path) -> DatasetCard:
    """The card in ``path``.

    Raises:
        DataError: no such file, no valid YAML, or a field that is missing, unknown or wrong.
    """
    try:
        content = read_yaml(path)
    except FileNotFoundError as reason:
        raise DataError(
            f"there is no {CARD_FILE} in the dataset folder", place=str(path.parent), fix="give a folder with a card"
        ) from reason
    except (OSError, UnicodeDecodeError) as reason:
        problem = reason.strerror if isinstance(reason, OSError) else reason
        raise DataError(f"the card cannot be read: {problem}", place=str(path), fix="save it as UTF-8 text") from reason
    except YamlError as reason:
        raise DataError(
            f"the card is not valid YAML: {reason.problem}",
            place=reason.at(str(path)),
            fix="check indentation, and quote texts that hold ': ' or '#'",
        ) from reason
    if not isinstance(content, dict):
        raise DataError("the card holds no fields", place=str(path), fix="see the cards in the package for examples")
    try:
        card = DatasetCard.model_validate(content)
    except ValidationError as reason:
        raise _bad_field(path, reason, content) from None
    except BenchError as wrong:  # no such source, or one that cannot be loaded
        raise DataError(wrong.problem, place=f"{path}, field {wrong.place}", fix=wrong.fix) from wrong
    _check(card, path)
    return card


def _bad_field(path: Path, reason: ValidationError, content: dict[str, Any]) -> DataError:
    errors = reason.errors()
    first = errors[0]
    field = _field(first)
    problem = {
        "missing": f"the card lacks the field {field!r}",
        "extra_forbidden": f"the card has an unknown field {field!r}",
    }.get(first["type"], f"field {field!r} of the card is wrong: {_sentence(first)}")
    others = [_field(error) for error in errors[1:]]
    fix = _fix(first, content)
    if others:
        fix += f"; then also see {', '.join(others[:5])}"
    return DataError(problem, place=f"{path}, field {field}", fix=fix)


def _field(error: ErrorDetails) -> str:
    """The dotted name of a field."""
    return ".".join(map(str, error["loc"])) or "(the whole card)"


def _sentence(error: ErrorDetails) -> str:
    return error["msg"][:1].lower() + error["msg"][1:]


def _fix(error: ErrorDetails, content: dict[str, Any]) -> str:
    if error["type"] == "extra_forbidden":
        hits = nearest(str(error["loc"][-1]), _known_fields(content), count=1)
        return f"did you mean {hits[0]!r}?" if hits else "remove it"
    if error["type"] == "missing":
        return "add it; docstrings in harness/datasets/card.py say what belongs there"
    return f"{_sentence(error)}; found {shown(error['input'])}"


def _known_fields(content: dict[str, Any]) -> set[str]:
    """Fields of a card, those of its source among them."""
    source = content.get("source")
    kind = source.get("kind") if isinstance(source, dict) else None
    models: list[type[BaseModel]] = [find_source(kind)] if isinstance(kind, str) else []
    models += [value for value in vars(cards).values() if isinstance(value, type) and issubclass(value, BaseModel)]
    return {name for model in models for name in model.model_fields}


def _check(card: DatasetCard, path: Path) -> None:
    """Rules between fields."""
    if card.default_protocol not in card.protocols:
        hits = nearest(card.default_protocol, card.protocols, count=1) or list(card.protocols)[:1]
        raise _wrong(
            path,
            "default_protocol",
            f"there is no protocol {card.default_protocol!r}",
            f"did you mean {hits[0]!r}?" if hits else "add a protocol",
        )
    if len(card.classes) < 2 and not cards.default_classes(card.task):
        raise _wrong(path, "classes", "there must be at least 2 of them", "name every class")
    if len(set(card.classes)) != len(card.classes):
        raise _wrong(path, "classes", "a class stands twice", "give each class one name")
    _check_task(card, path)
    _check_names(card, path)
    for number, settings in enumerate(card.inputs):
        if settings.kind not in card.source.offers:
            offered = " or ".join(sorted(card.source.offers))
            raise _wrong(
                path,
                f"inputs.{number}.kind",
                f"a source of kind {card.source.kind} offers {offered}, not {settings.kind}",
                f"write {offered}",
            )
        setting = settings.lacking(card.source)
        if setting in settings.model_fields_set:  # one that is left out is the method's or the default
            raise _wrong(
                path,
                f"inputs.{number}.{setting}",
                "tiles are laid on slides by it",
                "give it, above 0, or leave it out",
            )
    _check_protocols(card, path)
    inside = {"labels": card.labels} | {f"protocols.{name}.splits": p.splits for name, p in card.protocols.items()}
    inside |= {f"source.{field}": file for field, file in card.source.relative_files().items()}
    if card.reports is not None:
        _check_reports(card.reports, path)
        inside |= {"reports.table": card.reports.table} if card.reports.table else {}
    for field, file in inside.items():
        if not file.isprintable() or len(file) > _LONGEST_PATH:
            raise _wrong(path, field, "it is no path: too long, or with control characters", "write the path again")
        if PurePosixPath(file).is_absolute() or ".." in PurePosixPath(file).parts:
            raise _wrong(path, field, f"{file!r} leads out of the dataset folder", "give a path relative to it")
    for field, problem, fix in card.source.problems():
        raise _wrong(path, f"source.{field}", problem, fix)


def _check_protocols(card: DatasetCard, path: Path) -> None:
    """What cannot be ranked is not; and public features are where a repository can have them."""
    for name, protocol in card.protocols.items():
        if protocol.ranked and protocol.on_test:
            raise _wrong(
                path,
                f"protocols.{name}.ranked",
                f"protocol {name} takes {' and '.join(protocol.on_test)} from the test slides and is ranked",
                "add ranked: false, or choose on validation slides",
            )
        if protocol.ranked and protocol.allow_leaks:
            raise _wrong(
                path,
                f"protocols.{name}.ranked",
                f"protocol {name} allows leaks and is ranked",
                "add ranked: false, or remove allow_leaks and correct the splits",
            )
    for name, one in card.feature_sets.items():
        for problem in one.problems():
            raise _wrong(path, f"feature_sets.{name}", problem, "correct the pattern")


def _check_task(card: DatasetCard, path: Path) -> None:
    """The task exists, takes the settings that the card gives, and can be made of them."""
    try:
        kind = find_task(card.task)
    except UsageError as error:
        plugin = "; a task of a plugin needs --plugin"
        raise _wrong(path, "task", error.problem, error.fix + plugin) from error
    settings = [*card.task_settings, *({"intervals"} & card.model_fields_set)]
    if strange := [name for name in settings if name not in kind.settings()]:
        owners = [name for name in task_registry().names if strange[0] in find_task(name).settings()]
        fix = f"remove it; it belongs to task {' or '.join(owners)}" if owners else "remove it"
        raise _wrong(path, strange[0], f"task {card.task} has no such setting", fix)
    try:
        card.predicted()
    except (ValueError, TypeError) as error:
        raise _wrong(path, "task", f"task {card.task} cannot be made: {error}", "correct its settings") from error


def _check_names(card: DatasetCard, path: Path) -> None:
    """Names that are shown, and become columns and parts of file names."""
    if len(card.name) > _LONGEST_NAME:
        raise _wrong(path, "name", f"it is longer than {_LONGEST_NAME} characters", "give a shorter one")
    for name in card.classes:
        check_label(name, "class", f"{path}, field classes")
    for name in card.protocols:
        check_label(name, "protocol", f"{path}, field protocols")
    for name in card.feature_sets:
        check_name(name, "feature set", f"{path}, field feature_sets")


def _check_reports(reports: ReportsSource, path: Path) -> None:
    if (reports.column is None) == (reports.files is None) or (reports.table and reports.files):
        raise _wrong(path, "reports", "it names not exactly one place", "give column (and table), or files")
    names = ("{slide}", "{patient}")
    if (reports.files is not None and sum(reports.files.count(name) for name in names) != 1) or (
        reports.files and "{" in reports.files.replace("{slide}", "").replace("{patient}", "")
    ):
        raise _wrong(
            path,
            "reports.files",
            f"pattern {reports.files!r} has not exactly one {{slide}} or {{patient}}",
            "write one of them, once",
        )
    if reports.files is not None and ".." in PurePosixPath(reports.files).parts:
        raise _wrong(
            path,
            "reports.files",
            f"{reports.files!r} leads out of the dataset folder",
            "give a path relative to it, or the absolute path of another folder",
        )


def _wrong(path: Path, field: str, problem: str, fix: str) -> DataError:
    return DataError(problem, place=f"{path}, field {field}", fix=fix)
