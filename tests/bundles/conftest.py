"""A verifiable study on the toy dataset, and its bundle."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from support.bundled import fill_true
from support.toy import write_toy_dataset

from harness.bundles.members import MANIFEST, manifest_of
from harness.bundles.submit import bundle_of
from harness.core.reading import parse_json
from harness.datasets.dataset import Dataset
from harness.results.store import RunStore
from harness.results.studies import Study


@dataclass(frozen=True)
class Made:
    """A study, its dataset and its bundle."""

    store: RunStore
    study: Study
    dataset: Dataset
    members: dict[str, bytes]

    def edited(self, name: str, old: str, new: str, count: int = 1) -> dict[str, bytes]:
        """The members with an edit that a forger has hashed anew."""
        text = self.members[name].decode()
        assert text.count(old) >= 1, old
        return self.hashed({**self.members, name: text.replace(old, new, count).encode()})

    def hashed(self, members: dict[str, bytes]) -> dict[str, bytes]:
        """Members with a manifest that is right for them."""
        manifest = parse_json(self.members[MANIFEST])
        about = {field: manifest[field] for field in ("study_id", "method", "dataset", "protocol")}
        others = {key: value for key, value in members.items() if key != MANIFEST}
        return {MANIFEST: manifest_of(others, about=about, left_out=manifest["left_out"]), **others}


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    root = tmp_path_factory.mktemp("bundled")
    store = RunStore(root / "runs")
    dataset = fill_true(store, write_toy_dataset(root / "toy"))
    (study,) = store.studies()
    return Made(store, study, dataset, bundle_of(store, study))
