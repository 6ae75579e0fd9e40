"""``bench reference`` and ``bench regress`` as typed, with seeds that are drawn where a run would train."""

from __future__ import annotations

import json
from contextlib import contextmanager
from pathlib import Path
from xml.etree import ElementTree

import pytest
from support.gate import drawn_run
from support.toy import write_toy_dataset

from harness.core.plain_json import plain
from harness.gate.measure import measuring


@pytest.fixture
def shifts(monkeypatch) -> dict[str, dict[str, float]]:
    """Name of a reference → how its runs have changed. Nothing is trained."""
    found: dict[str, dict[str, float]] = {}

    class Drawn:
        def measure(self, reference, seed):
            return drawn_run(reference.name, seed, **found.get(reference.name, {}))

    @contextmanager
    def drawn(out, references):
        out.mkdir(parents=True, exist_ok=True)
        yield Drawn()

    monkeypatch.setattr("harness.gate.measure.measuring", drawn)
    monkeypatch.setattr("harness.gate.make.measuring", drawn)
    return found


@pytest.fixture
def suite(bench, shifts, tmp_path: Path) -> str:
    """A suite of two references with bands in ``bands``."""
    write_toy_dataset(tmp_path / "toy")
    (tmp_path / "suite.yaml").write_text("method: [abmil, mean_pool]\ndataset: ./toy\nset: {epochs: 1}\n")
    made = bench("reference make suite.yaml --bands bands")
    assert made.code == 0, made.err
    return "regress --suite suite.yaml --bands bands --seed 2000000"


def test_bands_are_made_and_shown(bench, suite, tmp_path: Path) -> None:
    band = json.loads((tmp_path / "bands/abmil-toy.json").read_text())
    assert [run["seed"] for run in band["runs"]] == list(range(20))
    assert band["command"].startswith("bench ") and "bands" not in band["command"]
    rows = json.loads(bench("reference show --bands bands --json").out)
    assert {(row["reference"], row["metric"]) for row in rows} == {
        (name, metric)
        for name in ("abmil-toy", "mean_pool-toy")
        for metric in ("auc", "log_loss", "cpu_ratio", "peak_rss_mb")
    }


def test_an_unchanged_tree_is_green(bench, suite, tmp_path: Path) -> None:
    found = bench(f"{suite} --junit night.xml --summary night.md")
    assert found.code == 0, found.err
    assert "green, 2 of 2 references within their bands" in found.out
    assert ElementTree.parse(tmp_path / "night.xml").find("testsuite").get("tests") == "8"
    assert "green" in (tmp_path / "night.md").read_text()
    assert not list((tmp_path / "runs/regress").iterdir()), "the runs of a green night are not kept"


def test_a_drop_is_red_and_said_everywhere(bench, suite, shifts, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "page.md"))
    shifts["abmil-toy"] = {"sigmas": 6}
    found = bench(f"{suite} --junit night.xml")
    assert found.code == 1
    assert "abmil-toy: auc is 0." in found.err and "bench reference make" in found.err
    assert ElementTree.parse(tmp_path / "night.xml").find("testsuite").get("failures") == "2"
    assert "RED, 1 of 2 references: abmil-toy" in (tmp_path / "page.md").read_text()
    assert bench(f"{suite} --only mean_pool").code == 0


def test_a_missing_band_is_red(bench, suite, tmp_path: Path) -> None:
    (tmp_path / "bands/abmil-toy.json").unlink()
    found = bench(f"{suite} --only abmil --summary night.md")
    assert found.code == 1
    assert "there is no band of reference runs" in found.err
    assert "nothing was measured" in (tmp_path / "night.md").read_text()


def test_what_names_nothing_is_refused(bench, suite) -> None:
    assert "did you mean 'abmil'" in bench(f"{suite} --only abmill").err
    assert "too little about the spread" in bench("reference make suite.yaml --seeds 5").err
    assert bench("reference show --bands nowhere").code == 2


def test_two_studies_of_one_name_are_refused(bench, shifts, tmp_path: Path) -> None:
    write_toy_dataset(tmp_path / "toy")
    (tmp_path / "twice.yaml").write_text(
        "method: abmil\ndataset: ./toy\ninclude:\n"
        "  - {method: abmil, dataset: ./toy, set: {epochs: 1}}\n  - {method: abmil, dataset: ./toy, set: {epochs: 2}}\n"
    )
    found = bench("reference make twice.yaml")
    assert found.code == 2 and "two studies of the suite are called abmil-toy" in found.err


def test_every_reference_of_the_package_has_its_band_and_every_band_its_reference(bench) -> None:
    from harness.cli.reference import references_of_file
    from harness.gate.band import Band, default_folder

    references = {one.name: plain(one.identity()) for one in references_of_file(None, {})}
    bands = {path.stem: Band.read(path) for path in default_folder().glob("*.json")}
    assert references.keys() == bands.keys(), "bench regress is red where a band is missing"
    for name, band in bands.items():
        of_content = {"dataset_fingerprint": band.identity["dataset_fingerprint"]}
        assert references[name] | of_content == band.identity, name


def test_a_seed_is_really_measured_and_taken_up_again(bench, tmp_path: Path, monkeypatch) -> None:
    from harness.cli.reference import references_of_file
    from harness.core.errors import DataError

    write_toy_dataset(tmp_path / "toy")
    options = {"method": "mean_pool", "dataset": "./toy", "device": "cpu", "set": ["epochs=1"], "fold": ["0"]}
    (reference,) = references_of_file(None, options)
    with measuring(tmp_path / "out", [reference]) as measurer:
        first = measurer.measure(reference, 3)
        assert measurer.measure(reference, 3) == first, "it is read, not run again"
        assert set(reference.metrics) <= set(first.scores)
        assert first.cpu_s > 0 and first.calibration_s > 0 and first.peak_rss_mb > 50
        assert len(reference.identity()["dataset_fingerprint"]) == 64
        monkeypatch.setattr("harness.gate.reference.source_sha256", lambda method: "changed")
        with pytest.raises(DataError, match="other source code"):
            measurer.measure(reference, 3)
