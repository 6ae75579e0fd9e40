"""Protocols, pre-training and differences in words."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from harness.bundles.private import private_names, without_private
from harness.results.study_table import overlap_text

if TYPE_CHECKING:
    from harness.results.reference import Reference
    from harness.results.studies import Study

_SELECT = {
    "best": "the epoch is chosen on validation slides",
    "last": "the last epoch is taken",
    "test": "the epoch is chosen on the test slides",
}
_THRESHOLD = {
    "validation": "the decision threshold comes from validation slides",
    "argmax": "the most probable class is predicted",
    "test": "the decision threshold is chosen on the test slides",
}


def public(text: str) -> str:
    """A text of the evidence as the site may show it: without paths, and the names of this user and machine."""
    return str(without_private(text, _names(), lambda field: None))


@cache
def _names() -> frozenset[str]:
    return private_names()


def config_of(study: Study) -> Mapping[str, Any]:
    """The resolved configuration; that of a record where study.json is lost."""
    return study.config or (study.records[0].config if study.records else {})


def protocol_title(study: Study) -> str:
    """The protocol in one line, as its card has it; empty where the evidence does not say."""
    return str(config_of(study).get("protocol_settings", {}).get("title", ""))


def protocol_words(study: Study) -> str:
    """How a study was split, selected, decided and scored, in one sentence."""
    settings = config_of(study).get("protocol_settings", {})
    units = [record.spec for record in study.records]
    repeats, folds, seeds = (len({unit[name] for unit in units}) for name in ("repeat", "fold", "seed"))
    parts = [f"{folds} folds" if folds > 1 else "one split"]
    parts += [f"{repeats} repeats"] * (repeats > 1)
    parts += [f"{seeds} seeds" if seeds > 1 else "one seed"]
    parts += [_SELECT[name]] if (name := settings.get("select")) in _SELECT else []
    if len(study.records[0].classes) == 2 and (name := settings.get("threshold")) in _THRESHOLD:
        parts.append(_THRESHOLD[name])
    if folds > 1 and "auc" in study.records[0].scores:
        pooled = settings.get("auc") == "pooled"
        parts.append("AUC of the pooled predictions" if pooled else "AUC as the mean over folds")
    return ", ".join(parts)


def pretraining_text(study: Study) -> str:
    """On what the encoder was pre-trained and whether it has seen the dataset's slides, as far as is known.

    Empty where that is no question.
    """
    overlap = config_of(study).get("pretraining_overlap")
    found = overlap if isinstance(overlap, Mapping) else {}
    known = config_of(study).get("pretraining_cohorts")
    further = [str(one).upper() for one in known if one not in found] if isinstance(known, list) else []
    parts = [overlap_text(study) or _unseen(found)]
    parts += [f"known pre-training data: {', '.join(further)}"] * bool(further)
    return "; ".join(part for part in parts if part)


def _unseen(overlap: Mapping[str, str]) -> str:
    return "; ".join(
        f"{str(cohort).upper()} not seen{', as far as is known' if seen == 'unlikely' else ''}"
        for cohort, seen in overlap.items()
    )


def difference_words(reference: Reference, study: Study | None) -> str:
    """How a published number came about and how ours did: numbers of different protocols do not compare."""
    if study is None:
        missing = (
            f"No study of {reference.ours} is on this board." if reference.ours else "That method is not built in."
        )
        return f"There: {reference.protocol}. {missing}"
    encoder = str(study.records[0].spec.get("input", {}).get("encoder") or "")
    features = f", encoder {encoder}" if encoder else ""
    return f"There: {reference.protocol}. Here: protocol {study.protocol}, {protocol_words(study)}{features}."
