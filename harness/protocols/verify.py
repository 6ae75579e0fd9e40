"""Comparing a dataset's files with its card: what is missing, unreadable, empty, double, or withdrawn."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from harness.core.errors import BenchError
from harness.datasets.dataset import Dataset
from harness.datasets.identity import spelling
from harness.datasets.locate import Found, find_slides, get_text, resolve_root
from harness.datasets.npz_bags import read_npz_bags
from harness.datasets.patch_images import find_images
from harness.datasets.patch_table import read_patch_tables
from harness.datasets.reports import read_reports
from harness.datasets.table import listed
from harness.protocols.audit import audit
from harness.protocols.audit_repeats import audit_repeats
from harness.protocols.audit_study import apart
from harness.protocols.fold_checks import check_folds, fold_warnings
from harness.protocols.near_duplicates import Comparison, NearDuplicate, compare_bags, compare_thumbnails
from harness.protocols.sites import sites_of

Opener = Callable[[Path], str | None]
"""Opens a slide and reads from it; raises a BenchError when it cannot, or when the slide has no resolution. Returns the
perceptual hash of its thumbnail (:mod:`harness.protocols.perceptual`), or None."""

Compare = Callable[[Mapping[str, str], Mapping[str, Path]], Comparison]
"""Compares slides by their perceptual hashes and files: slide id → hash, and slide id → path."""


@dataclass(frozen=True)
class Finding:
    """One thing that is not as the card says.

    Attributes:
        kind: ``missing``, ``unusable`` (empty file, pointer, dead link), ``unreadable``, ``counts``, ``split``,
            ``changed`` (content), ``data`` (tables, patches, features), ``erratum`` (a file of a slide that was
            withdrawn or left out), ``duplicate``, ``extra``, ``near-duplicate``, ``suspected copy``, ``sites``.
        what: slide id, or the file or protocol.
        detail: a sentence.
        severity: an ``error`` keeps a protocol from running as published, a ``warning`` does not.
    """

    kind: str
    what: str
    detail: str
    severity: Literal["error", "warning"] = "error"


@dataclass(frozen=True)
class Report:
    """Outcome of :func:`verify`.

    Attributes:
        checked: what was looked at, one sentence each; sites on both sides of a split among it.
        findings: what is wrong, errors first.
    """

    checked: tuple[str, ...]
    findings: tuple[Finding, ...]

    def with_more(self, other: Report) -> Report:
        """Both reports in one."""
        findings = sorted((*self.findings, *other.findings), key=lambda finding: finding.severity)
        return Report((*self.checked, *other.checked), tuple(findings))

    @property
    def ok(self) -> bool:
        """Whether there is no error (warnings may be)."""
        return all(finding.severity == "warning" for finding in self.findings)


def verify(
    dataset: Dataset, data_root: Path | None, *, opener: Opener | None = None, compare: Compare | None = None
) -> Report:
    """Compare label table, splits and files with the card.

    Args:
        dataset: the dataset.
        data_root: where its files are; None for the place that the card names, if it does.
        opener: opens each slide that was found; None leaves them closed.
        compare: compares the slides that were opened; None compares their perceptual hashes alone.
    """
    checked: list[str] = []
    findings = [
        *_counts(dataset, checked),
        *_splits(dataset, checked),
        *_reports(dataset, checked),
        *dataset.card.source.verify(dataset, data_root, checked, opener=opener, compare=compare),
    ]
    return Report(tuple(checked), tuple(sorted(findings, key=lambda finding: finding.severity)))


def _counts(dataset: Dataset, checked: list[str]) -> Iterator[Finding]:
    """The label table against the card's counts."""
    by_class = Counter(dataset.card.classes[entry.label] for entry in dataset.entries)
    have = {"slides": len(dataset.entries), "patients": len(set(dataset.patients.values()))}
    have |= {name: by_class[name] for name in dataset.card.classes}
    checked.append(f"label table: {have['slides']} slides of {have['patients']} patients")
    for name, expected in dataset.card.counts.items():
        if name in have and have[name] != expected:
            yield Finding("counts", name, f"{have[name]} in the label table, {expected} in the card")


def _splits(dataset: Dataset, checked: list[str]) -> Iterator[Finding]:
    """Every split file is readable, knows only known slides, and keeps patients together."""
    for name in dataset.card.protocols:
        try:
            folds = dataset.splits(name).folds
            leaks = dataset.card.protocols[name].allow_leaks
            warnings = [one for fold in folds for one in audit(fold, dataset.patients, None, allowed=leaks)]
            warnings += audit_repeats(folds, dataset.patients, allowed=leaks)
            check_folds(dataset, name, dataset.card.protocols[name], folds)
            for warning in (*warnings, *fold_warnings(dataset, dataset.card.protocols[name], folds)):
                yield Finding("split", name, warning, "warning")
            sides = "leaks are allowed" if leaks else "no slide or patient on two sides"
            checked.append(f"protocol {name}: {len(folds)} folds, {sides}")
            if (sites := sites_of(dataset, folds)) is not None:
                checked.append(f"protocol {name}: {sites.words}")
                if sites.warning is not None:
                    yield Finding("sites", name, sites.warning, "warning")
        except BenchError as problem:
            yield Finding("split", name, f"{problem.problem} ({problem.place})")


def _reports(dataset: Dataset, checked: list[str]) -> Iterator[Finding]:
    """The reports that the card names can be read."""
    if dataset.card.reports is None:
        return
    try:
        texts = read_reports(dataset, dataset.slides)
    except BenchError as problem:
        yield Finding("reports", problem.place, f"{problem.problem}; {problem.fix}")
        return
    checked.append(f"reports: {sum(map(bool, texts))} of {len(texts)} slides have one")


def _root(
    dataset: Dataset, data_root: Path | None, check: Callable[[Path], Iterator[Finding]], *, drawn: bool = False
) -> Iterator[Finding]:
    """What ``check`` finds below the data root, or that there is none."""
    root = resolve_root(dataset, data_root)
    if root is None:
        kind: Literal["error", "warning"] = "warning" if drawn else "error"
        detail = "is drawn when it is first used" if drawn else f"no data root is given. {get_text(dataset)}"
        yield Finding("missing", "data", detail, kind)
        return
    try:
        yield from check(root)
    except BenchError as problem:
        yield Finding("data", problem.place, f"{problem.problem}; {problem.fix}")


def verify_slides(
    dataset: Dataset,
    data_root: Path | None,
    opener: Opener | None,
    compare: Compare | None,
    checked: list[str],
    *,
    drawn: bool,
) -> Iterator[Finding]:
    """Slides: each has one file that can be used. ``drawn``: they are drawn where they are absent."""
    return _root(
        dataset,
        data_root,
        lambda root: _slides(dataset, find_slides(dataset, root), opener, compare, checked),
        drawn=drawn,
    )


def verify_patches(dataset: Dataset, data_root: Path | None, checked: list[str]) -> Iterator[Finding]:
    """Patches: the tables agree with the label table, and every image is there."""
    return _root(dataset, data_root, lambda root: _patches(dataset, root, checked))


def verify_bags(dataset: Dataset, checked: list[str]) -> Iterator[Finding]:
    """One table of bags: it can be read, and no two bags are nearly the same."""
    try:
        given = read_npz_bags(dataset)
    except BenchError as problem:
        yield Finding("data", problem.place, problem.problem)
        return
    checked.append(f"features: {len(given.slides)} bags, {len(given.features)} instances, {given.dim} columns")
    yield from _tiles(dataset, len(given.features))
    yield from _near(dataset, compare_bags(given.slides, given.bag), checked)


def _patches(dataset: Dataset, root: Path, checked: list[str]) -> Iterator[Finding]:
    rows = read_patch_tables(dataset, root)
    images = find_images(dataset, root, [row.image for row in rows])
    where = f"in {images.archive}" if images.archive else f"in folders of {root}"
    checked.append(f"patches: {len(rows)} in the tables, images {where}")
    if images.archive is not None:
        there = {image for image, _, _ in images.read()}
        for row in rows:
            if row.image not in there:
                yield Finding("missing", row.slide, f"patch {row.image} is not in the archive")
    yield from _tiles(dataset, len(rows))


def _tiles(dataset: Dataset, have: int) -> Iterator[Finding]:
    expected = dataset.card.counts.get("tiles", have)
    if have != expected:
        yield Finding("counts", "tiles", f"{have} in the data, {expected} in the card")


def _slides(
    dataset: Dataset, found: Found, opener: Opener | None, compare: Compare | None, checked: list[str]
) -> Iterator[Finding]:
    layout = f", layout {found.layout!r}" if found.layout else ""
    checked.append(f"slides: {len(found.paths)} of {len(dataset.entries)} found below {found.root}{layout}")
    for slide in found.missing:
        yield Finding("missing", slide, "no file")
    for slide, reason in found.defects.items():
        yield Finding("unusable", slide, f"{reason}: {found.paths[slide]}")
    for slide, others in found.duplicates.items():
        also = ", ".join(map(str, others))
        yield Finding("duplicate", slide, f"{found.paths[slide]} is used; also there: {also}", "warning")
    yield from _extra(dataset, found)
    if opener is not None:
        usable = [slide for slide in found.paths if slide not in found.defects]
        looks: dict[str, str] = {}
        yield from _opened({slide: found.paths[slide] for slide in usable}, opener, looks)
        checked.append(f"opened: {len(usable)} slides")
        if looks:
            near = compare_thumbnails(looks) if compare is None else compare(looks, found.paths)
            yield from _near(dataset, near, checked)


def _extra(dataset: Dataset, found: Found) -> Iterator[Finding]:
    """Files that look like slides but are not in the label table; an erratum may say why."""
    known = {spelling(slide): erratum for erratum in dataset.card.errata for slide in erratum.slides}
    for hit in found.extra:
        if erratum := known.get(hit.slide):
            detail = f"not in the label table: {erratum.what} {erratum.action} ({erratum.source}): {hit.path}"
            yield Finding("erratum", hit.slide, detail, "warning")
        else:
            yield Finding("extra", hit.slide, f"not in the label table: {hit.path}", "warning")


def _near(dataset: Dataset, comparison: Comparison, checked: list[str]) -> Iterator[Finding]:
    """Slides that are nearly the same: an error where a protocol has them on two sides."""
    known = comparison.without(dataset.card.not_duplicates)
    checked.append(f"near-duplicates: {known.compared} pairs of slides compared by {known.measure}")
    checked.extend(f"declared different: {pair.one} and {pair.other} ({pair.words})" for pair in known.excepted)
    for pair in known.pairs:
        where = _where(dataset, pair)
        detail = f"nearly the same as {pair.other}: {pair.words}{where}"
        yield Finding("near-duplicate", pair.one, detail, "error" if where else "warning")
    for pair in known.suspected:
        detail = f"may be the same slide as {pair.other}, or another section of its block: {pair.words}"
        yield Finding("suspected copy", pair.one, f"{detail}{_where(dataset, pair)}", "warning")


def _where(dataset: Dataset, pair: NearDuplicate) -> str:
    """The protocols that have the two slides in different parts of a fold, in words; empty without any."""
    names = [name for name in dataset.card.protocols if _apart(dataset, name, pair)]
    return f"; on two sides in {listed(names)}" if names else ""


def _apart(dataset: Dataset, protocol: str, pair: NearDuplicate) -> bool:
    """Whether a fold has the two slides in different parts."""
    try:
        folds = dataset.splits(protocol).folds
    except BenchError:
        return False  # told as a finding of its own
    return any(apart(fold, pair) for fold in folds)


def _opened(paths: dict[str, Path], opener: Opener, looks: dict[str, str]) -> Iterator[Finding]:
    for slide, path in paths.items():
        try:
            if (look := opener(path)) is not None:
                looks[slide] = look
        except BenchError as problem:
            yield Finding("unreadable", slide, f"{problem.problem} ({path}); {problem.fix}")
        except Exception as reason:
            # One bad file must not hide what is wrong with the others.
            yield Finding("unreadable", slide, f"{type(reason).__name__}: {reason} ({path})")
