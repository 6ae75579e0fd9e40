"""``bench features get``: a public set of features that a dataset's card names, fetched from the hub."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.options import Cache, Plugins, Workers, folder_option
from harness.core import console
from harness.core.errors import UsageError
from harness.core.resources import cache_root

if TYPE_CHECKING:
    from harness.datasets.dataset import Dataset
    from harness.datasets.feature_set_card import FeatureSetCard
    from harness.features.fetch import Fetched, Selection

Into = Annotated[
    Path | None,
    folder_option("--into", "For a set with slides of its own: where to make its dataset. Default: here."),
]


def get(
    dataset: Annotated[str, typer.Argument(help="Dataset whose card names the set.")],
    name: Annotated[str | None, typer.Option("--set", help="Name of the set; without it, those of the card.")] = None,
    revision: Annotated[
        str | None, typer.Option("--revision", help="Commit or branch of the repository. Default: the card's.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be fetched.")] = False,
    into: Into = None,
    cache: Cache = None,
    workers: Workers = None,
    plugin: Plugins = None,
) -> None:
    """Fetch a public set of features for a dataset: only the files that its slides need, at one commit."""
    from harness.datasets.catalog import find_dataset
    from harness.features.fetch import fetch, fetched, pinned, revision_of, select, set_folder
    from harness.sources.fetched_set import set_card

    found = find_dataset(dataset, place="DATASET")
    place = cache or cache_root()
    if name is None:
        return _list(found, place)
    card = set_card(found, name)
    if into is not None and not card.own_slides:
        raise UsageError("the set is one of the dataset's own slides", place="--into", fix="leave it out")
    _about(card)
    before = fetched(place, found.name, name)
    chosen = select(card, found.slides, revision_of(card, before, revision))
    if not pinned(card, revision):
        console.note(f"the card pins no commit; this one is kept: {chosen.repo.commit}")
    _selected(found, card, chosen)
    if dry_run:
        return None
    done = fetch(card, chosen, set_folder(place, found.name, name), threads=workers or 8)
    return _finish(found, name, card, done, into, place)


def _list(dataset: Dataset, cache: Path) -> None:
    """The sets of the card, and which are here."""
    from harness.features.fetch import fetched

    sets = dataset.card.feature_sets
    if not sets:
        console.say(f"the card of {dataset.name} names no public features")
        return
    here = {name: fetched(cache, dataset.name, name) for name in sets}
    rows = [
        (name, card.title, card.hub, card.encoder, card.gated, "" if (one := here[name]) is None else one.commit[:12])
        for name, card in sets.items()
    ]
    columns = ("set", "what", "repository", "encoder", "gated", "fetched")
    console.table(f"Public features of {dataset.name}", columns, rows)


def _about(card: FeatureSetCard) -> None:
    console.say(f"{card.title}: {card.hub}, encoder {card.encoder}, licence {card.licence}")
    if card.note:
        console.note(" ".join(card.note.split()))


def _selected(dataset: Dataset, card: FeatureSetCard, chosen: Selection) -> None:
    from harness.datasets.table import listed
    from harness.features.hub import total_text

    console.say(f"{total_text(list(chosen.files))} of {card.hub} at {chosen.repo.commit[:12]}")
    if chosen.missing:
        console.warn(f"{len(chosen.missing)} of {len(dataset.slides)} slides have no file: {listed(chosen.missing)}")


def _finish(dataset: Dataset, name: str, card: FeatureSetCard, done: Fetched, into: Path | None, cache: Path) -> None:
    """Say how to use the set, and which protocols it is enough for; or make a dataset of it."""
    from harness.sources.fetched_set import source_of
    from harness.sources.own_dataset import own_dataset

    if card.own_slides:
        made = own_dataset(dataset, name, source_of(card, name, done.folder, done.commit), into or Path(), cache)
        console.say(f"made {made.folder}: {len(made.entries)} slides")
        console.say(f"next  bench run --method abmil --dataset {made.folder if into else f'./{made.folder}'}")
        return
    source = source_of(card, name, done.folder, done.commit)
    there = replace(dataset, card=dataset.card.model_copy(update={"source": source}))
    from harness.sources.open_feature_folder import files_of

    have = files_of(there, source, None)[1]
    able = [
        protocol
        for protocol in dataset.card.protocols
        if all(s in have for fold in dataset.splits(protocol).folds for _, part in fold.parts() for s in part)
    ]
    console.say(f"{len(have)} of {len(dataset.slides)} slides have features, in {done.folder}")
    if not able:
        console.warn("no protocol of the card has features for all its slides")
        return
    default = "" if dataset.card.default_protocol in able else f" --protocol {able[0]}"
    if len(able) < len(dataset.card.protocols):
        console.note(f"protocols whose slides all have features: {', '.join(able)}")
    console.say(f"next  bench run --method abmilx_head --dataset {dataset.name} --features {name}{default}")
