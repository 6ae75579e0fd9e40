"""Slides that can no longer be read, and the features that were made of them: named, and no other unit suffers."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from support.faults import Toy, check_equal, evidence, failures
from support.toy import PLUGIN
from support.toy_slides import ONLY_IN_SECOND, write_toy_slides

LOSING = (
    PLUGIN
    + """
    def fit(self, train, val, run):
        super().fit(train, val, run)
        import os
        from pathlib import Path
        if (path := Path(os.environ.get("LOSE", ""))).is_file():
            os.truncate(path, path.stat().st_size // 3)
"""
)
"""The same method; while it is trained, a slide comes to harm."""


@pytest.fixture
def specimens(toy, tmp_path) -> Callable[..., Toy]:
    """A function that makes a study of slides."""

    def make(*words: str, source: str = PLUGIN) -> Toy:
        study = toy("--set", "epochs=2", "--workers", "1", *words, source=source)
        folder = write_toy_slides(study.home / "specimens")
        given = [str(folder) if word.endswith("/toy") else word for word in study.words]
        return Toy(study.attempts, study.home, study.out, tuple(given), study.environment)

    return make


def slide(study: Toy, name: str = ONLY_IN_SECOND) -> Path:
    return study.home / "specimens" / "slides" / f"{name}.png"


def test_a_slide_that_is_cut_short_amid_a_run_fails_the_units_that_read_it(specimens):
    study = specimens("--input", "tiles", source=LOSING)
    path = slide(study)
    whole, stat = path.read_bytes(), path.stat()
    ended = study.run(LOSE=str(path))
    assert ended.code == 1
    assert "1 unit failed" in ended.three_lines()[0]
    assert len(evidence(study.out)) == 1
    ((unit, reason),) = failures(study.out).items()
    assert "r0f1" in unit
    assert path.name in reason
    assert "test-0" not in reason
    # Until it is mended the slide is refused by name, and what is done stays done.
    ended = study.run()
    assert ended.code == 2
    assert ONLY_IN_SECOND in ended.three_lines()[0]
    path.write_bytes(whole)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    text = study.finish()
    assert "2 units done, 1 of them from before" in text
    assert not failures(study.out)


@pytest.mark.parametrize("harm", [Path.unlink, lambda path: os.truncate(path, 900)], ids=["removed", "cut short"])
def test_a_slide_that_is_lost_before_a_run_is_named_and_nothing_is_left_out(specimens, harm):
    study = specimens("--input", "tiles")
    study.finish("--fold", "0")
    path = slide(study)
    whole = path.read_bytes()
    harm(path)
    ended = study.run()
    assert ended.code == 2
    assert ONLY_IN_SECOND in " ".join(ended.three_lines())
    assert len(evidence(study.out)) == 1
    path.write_bytes(whole)
    text = study.finish()
    assert "2 units done, 1 of them from before" in text


def test_features_that_were_cut_short_are_made_again(specimens):
    study = specimens()
    study.finish()
    (features,) = study.home.glob("cache/specimens/features/*/features.bin")
    shutil.move(study.out, study.home / "first")
    study.out.mkdir()
    whole = features.read_bytes()
    os.truncate(features, len(whole) - 1000)
    text = study.finish()
    assert f"{features} is cut short; made again: specimen_" in text
    assert features.read_bytes() == whole
    check_equal(study.out, study.home / "first")


def test_features_that_are_cut_short_while_they_are_read(specimens):
    study = specimens(source=LOSING)
    study.finish("--fold", "0")
    (features,) = study.home.glob("cache/specimens/features/*/features.bin")
    whole = features.read_bytes()
    ended = study.run(LOSE=str(features))
    assert ended.code == 1
    (reason,) = failures(study.out).values()
    assert "the file was cut short while it was read" in reason
    assert "2 units done, 1 of them from before" in study.finish()
    assert features.read_bytes() == whole


def test_features_that_changed_on_disk_name_the_slide(specimens):
    study = specimens()
    study.finish("--fold", "0")
    (features,) = study.home.glob("cache/specimens/features/*/features.bin")
    values = np.memmap(features, "<f2", "r+")
    values[-5] = np.inf  # of the last slide, which only the second fold tests
    values.flush()
    ended = study.run()
    assert ended.code == 2
    assert f"features have changed on disk since they were made: {ONLY_IN_SECOND}" in ended.text
    assert str(features) in ended.text
    shutil.rmtree(features.parent)
    text = study.finish()
    assert "2 units done, 1 of them from before" in text


def test_an_encoder_that_makes_nan_is_named_with_the_slide(specimens):
    from harness.encoders import build_encoder

    body = build_encoder("random:conv64", tile_px=32, seed=0).body
    weights = body.state_dict()
    next(iter(weights.values()))[:] = torch.nan
    study = specimens()
    torch.save(weights, study.home / "nan.pt")
    problem, place, fix = study.run("--encoder", f"file:conv64={study.home / 'nan.pt'}").three_lines()
    assert "not finite" in problem
    assert "slide specimen_" in place
    assert "check the encoder's weights" in fix


def test_a_disk_that_is_full_while_features_are_extracted(specimens):
    study = specimens()
    if not study.attempts.can_mount:
        pytest.skip("this system does not let us mount a tmpfs")
    cache = study.home / "cache"
    seen = study.attempts.small_disk(cache, "50m")
    words = ["prepare", str(study.home / "specimens"), "--workers", "1"]
    prepared = study.attempts.run(words, cwd=study.home, **study.environment)
    assert prepared.code == 0, prepared.text
    disk = os.statvfs(seen)
    used = (disk.f_blocks - disk.f_bfree) * disk.f_frsize
    study.attempts.resize(cache, str(used + 40_000))
    problem, place, fix = study.run().three_lines()
    assert problem == "No space left on device"
    assert Path(place).name in {"features.bin", "coords.bin", "journal.jsonl"}
    assert fix.startswith("free some space")
    study.attempts.resize(cache, "50m")
    study.finish()
    (features,) = seen.glob("specimens/features/*/features.bin")
    shutil.move(study.out, study.home / "tight")
    study.out.mkdir()
    study.finish("--cache", str(study.home / "roomy"))
    (roomy,) = study.home.glob("roomy/specimens/features/*/features.bin")
    assert features.read_bytes() == roomy.read_bytes()
    check_equal(study.home / "tight", study.out)
