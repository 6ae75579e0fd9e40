"""Making a dataset of a folder of features that another tool has written, and a table of labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.core.errors import DataError
from harness.datasets.card import Erratum
from harness.datasets.dataset import load_dataset
from harness.datasets.given_splits import GivenSplits
from harness.datasets.level0_mpp import level0_mpp
from harness.datasets.match_ids import WORDS, Join, Rule, join, offers
from harness.datasets.names import check_name, shown_bytes
from harness.datasets.new_card import card_of, readme_of
from harness.datasets.new_labels import LabelledSlide, NewDataset, class_columns, read_labels
from harness.datasets.new_task import predicted
from harness.datasets.table import listed
from harness.features.declared import Declared
from harness.features.formats.base import FeatureFile, FeatureFormat, Options
from harness.features.formats.detect import detect
from harness.features.in_place import Placed, place
from harness.features.manifest import DType
from harness.features.packing import Packed, Packing
from harness.sources.feature_folder import UNKNOWN, FeatureFolder
from harness.sources.new_dataset import (
    Made,
    folds_of,
    notes_of,
    slide_counts,
    strange_ids,
    target_folder,
    write_dataset,
)
from harness.sources.open_feature_folder import by_slide, store_folder

_OTHER_MEANING = 0.2
"""Where more than this share of the labels inside the files disagrees with the table, they are labels of something
else."""


@dataclass(frozen=True, kw_only=True)
class NewFromFeatures:
    """What ``bench datasets new --features`` was asked for.

    Attributes:
        base: name, label table and folds, as for slides; ``slides`` is the folder of features.
        declared: what is said of the features.
        rules: what is ignored when ids are compared.
        dtype: number type of the packed features.
        in_place: read the files where they lie.
        pickled_arrays: read ``.pt`` files that hold pickled NumPy arrays.
        cache: where the packed features go.
        workers: threads that read.
        show: is shown the join of table and features before anything is refused.
    """

    base: NewDataset
    declared: Declared
    rules: tuple[Rule, ...] = ()
    dtype: DType = "float16"
    in_place: bool = False
    pickled_arrays: bool = False
    cache: Path
    workers: int = 2
    show: Callable[[JoinTable], None] = lambda _: None


@dataclass(frozen=True)
class JoinTable:
    """Label table and features side by side.

    Attributes:
        format: what the features are in, in words.
        labels, features: how many there are.
        joined: which belong together.
        per_patient: slides of each patient that has some.
    """

    format: str
    labels: int
    features: int
    joined: Join
    per_patient: Mapping[str, int]


def new_from_features(options: NewFromFeatures) -> Made:
    """Make the folder ``into/name`` with card, label table, split files and README, and pack the features.

    Raises:
        UsageError: a name that is taken, a wrong option, several sets of features in the folder.
        DataError: labels without features or features without labels, ids that match in several ways, features that are
            damaged or contradict what is declared.
        LeakError: the given splits leak.
    """
    base = options.base
    folder = target_folder(base)
    labels = read_labels(base)
    encoder = options.declared.facts.encoder
    source = detect(base.slides, Options(encoder, options.pickled_arrays))
    files = by_slide(source)
    joined = _joined(labels.rows, files, source, labels.dropped, options)
    rows = _rows(labels.rows, joined)
    _check_labels(rows, files, source, base)
    dtype = None if options.in_place else options.dtype
    wanted = {row.slide: files[row.slide] for row in rows}
    level0 = {files[row.slide].place: mpp for row in rows if (mpp := level0_mpp(row, labels.columns.mpp, base))}
    packing = Packing(source, wanted, options.declared, dtype, options.workers, level0)
    card_source = _source(packing.describe(), source, options)
    store = store_folder(options.cache, base.name, card_source, source.root)
    packed = (
        place(packing, store, partial=base.partial) if options.in_place else packing.run(store, partial=base.partial)
    )
    found = predicted([row for row in rows if row.slide not in packed.refused], labels, base)
    given, folds = folds_of(found, base)
    found = found.with_settings(folds, place=str(base.labels))
    content = card_of(
        base,
        found,
        labels.columns,
        about=_about(base, card_source),
        counts=slide_counts(found.rows, found.classes) | {"tiles": _tiles(packed, found.rows)},
        source=card_source.model_dump(mode="json", exclude_defaults=True) | {"kind": card_source.kind},
        inputs=[_input(card_source)],
        given=given,
        errata=(*labels.errata, *_left_out(joined, packed, base), *strange_ids(given)),
    )
    words = (
        f"The features ({card_source.format}, {card_source.dim} columns, encoder {card_source.encoder}) stay in\n"
        f"{card_source.folder}; what is packed of them lies in the cache and is made again when it is missing."
    )
    readme = readme_of(content, found, labels.columns, base, about=words)
    write_dataset(folder, content, found, labels, folds, readme)
    return Made(load_dataset(folder), (*labels.notes, *_notes(packed, given)))


def _about(base: NewDataset, source: FeatureFolder) -> dict[str, str]:
    return {
        "title": f"{base.name} (features by encoder {source.encoder})",
        "licence": "not stated; that of the slides and that of the encoder apply",
        "get": f"The features were in {source.folder} when the dataset was made.",
    }


def _input(source: FeatureFolder) -> dict[str, object]:
    """What methods can read."""
    settings: dict[str, object] = {"kind": "features", "encoder": source.encoder}
    settings |= {"mpp": [source.mpp]} if source.mpp else {}
    return settings | ({"tile_px": source.tile_px} if source.tile_px else {})


def _joined(
    rows: Sequence[LabelledSlide],
    files: Mapping[str, FeatureFile],
    source: FeatureFormat,
    dropped: Sequence[str],
    options: NewFromFeatures,
) -> Join:
    """Table and features put together; what does not match is refused, and rules that would match more are offered."""
    slides = [row.slide for row in rows]
    joined = join(slides, list(files), options.rules)
    of_dropped = {name for names in join(list(dropped), list(files), options.rules).files.values() for name in names}
    joined = replace(joined, extra=tuple(name for name in joined.extra if name not in of_dropped))
    patients = Counter(row.patient for row in rows for _ in joined.files.get(row.slide, ()))
    options.show(JoinTable(source.title, len(rows), len(files), joined, patients))
    if joined.ambiguous:
        slide, names = next(iter(joined.ambiguous.items()))
        raise DataError(
            f"{len(joined.ambiguous)} ids of the table match features in several ways: {slide} may be {listed(names)}",
            place=str(options.base.labels),
            fix="write the ids of the table as the files are called",
        )
    partial = options.base.partial and joined.files
    if joined.missing and not partial:
        raise DataError(
            f"{len(joined.missing)} of {len(rows)} slides of the table have no features: {listed(joined.missing)}",
            place=f"--features {options.base.slides}, {len(files)} slides there: {listed(files, most=3)}",
            fix=f"{_offer(slides, list(files), options.rules)}correct the ids, or leave them out with --partial",
        )
    if joined.extra and not partial:
        raise DataError(
            f"{len(joined.extra)} of {len(files)} slides with features are not in the table: {listed(joined.extra)}",
            place=str(options.base.labels),
            fix="add them to the table, or leave them out with --partial",
        )
    return joined


def _offer(labels: Sequence[str], features: Sequence[str], rules: Sequence[Rule]) -> str:
    """``412 of 430 match if ...: add --match barcode; `` or nothing."""
    for more, count in offers(labels, features, rules):
        words = " and ".join(WORDS[rule] for rule in more)
        options = " ".join(f"--match {rule}" for rule in more)
        return f"{count} of {len(labels)} match if {words}: add {options}; "
    return ""


def _rows(rows: Sequence[LabelledSlide], joined: Join) -> list[LabelledSlide]:
    """A line per slide that has features; a line of a patient becomes one for each of its slides."""
    found = []
    for row in rows:
        names = joined.files.get(row.slide, ())
        if len(names) > 1 or (names and names[0] != row.slide):
            for name in names:
                check_name(name, "slide", name)
            patient = row.slide if len(names) > 1 and row.patient == row.slide else row.patient
            found += [replace(row, slide=name, patient=patient) for name in names]
        elif names:
            found.append(row)
    return found


def _check_labels(
    rows: Sequence[LabelledSlide], files: Mapping[str, FeatureFile], source: FeatureFormat, base: NewDataset
) -> None:
    """Compare labels inside the files with those of the table, whatever each calls its classes."""
    if not class_columns(base.kind) or not source.label_files:
        return
    inside = {row.slide: label for row in rows if (label := source.label(files[row.slide])) is not None}
    pairs = Counter((inside[row.slide], row.label) for row in rows if row.slide in inside)
    meaning = {label: max((pairs[one], one[1]) for one in pairs if one[0] == label)[1] for label, _ in pairs}
    wrong = [row for row in rows if row.slide in inside and meaning[inside[row.slide]] != row.label]
    if wrong and len(wrong) <= max(1, _OTHER_MEANING * len(inside)):
        shown = listed(
            [f"{row.slide} ({inside[row.slide]!r} in the file, {row.label!r} in the table)" for row in wrong]
        )
        raise DataError(
            f"{len(wrong)} slides have another label in the file than in the table: {shown}",
            place=f"{base.labels}, line {wrong[0].line}",
            fix="correct the table, or the file of features",
        )


def _source(declared: Declared, source: FeatureFormat, options: NewFromFeatures) -> FeatureFolder:
    facts = declared.facts
    return FeatureFolder(
        folder=str(options.base.slides.resolve()),
        format=source.name,
        dim=declared.dim or 0,
        encoder=facts.encoder or UNKNOWN,
        tile_px=facts.tile_px,
        mpp=None if facts.mpp is None else round(facts.mpp, 4),
        magnification=facts.magnification,
        match=options.rules,
        dtype=options.dtype,
        in_place=options.in_place,
        pickled_arrays=options.pickled_arrays,
    )


def _tiles(packed: Packed | Placed, rows: Sequence[LabelledSlide]) -> int:
    return sum(packed.store.count(row.slide) for row in rows)


def _left_out(joined: Join, packed: Packed | Placed, base: NewDataset) -> Iterator[Erratum]:
    """What ``--partial`` leaves out, for the card."""
    unusable = [f"{slide} ({one.problem})" for slide, one in packed.refused.items()]
    extra = tuple(shown_bytes(name) for name in joined.extra)
    for names, words, source in (
        (joined.missing, f"slides of the table without features: {listed(joined.missing)}", base.table_name),
        (extra, f"slides with features that are not in the table: {listed(extra)}", base.table_name),
        (tuple(packed.refused), f"slides whose features cannot be used: {listed(unusable)}", base.slides.name),
    ):
        if names:
            what = f"{len(names)} {words}."
            yield Erratum(slides=tuple(names), what=what, action="Left out with --partial.", source=source)


def _notes(packed: Packed | Placed, given: GivenSplits | None) -> list[str]:
    counts = [f"{note} ({len(slides)} slides: {listed(slides, most=3)})" for note, slides in packed.notes.items()]
    return [*counts, *notes_of(given)]
