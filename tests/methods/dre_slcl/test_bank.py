"""The memory bank: what is written is what is read, and it can go back to any checkpoint."""

from __future__ import annotations

import numpy as np
import pytest

from harness import MethodError
from methods.dre_slcl.bank import MemoryBank

COUNTS = (5, 3, 8)
DIM = 6


def _unit(rng: np.random.Generator, count: int) -> np.ndarray:
    x = rng.normal(size=(count, DIM)).astype(np.float32)
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def _filled(folder, seed: int = 0, step: int = 0, bank: MemoryBank | None = None) -> MemoryBank:
    bank = bank or MemoryBank(folder, COUNTS, DIM)
    rng = np.random.default_rng(seed)
    bank.begin_refresh(step)
    for slide, count in enumerate(COUNTS):
        bank.fill(slide, _unit(rng, count))
    return bank


def _write(bank: MemoryBank, step: int) -> None:
    rng = np.random.default_rng(1000 + step)
    rows = [rng.permutation(COUNTS[slide])[:2] for slide in (0, 2)]
    bank.write([0, 2], rows, _unit(rng, 4), step)


def _content(bank: MemoryBank) -> tuple[bytes, bytes]:
    return bank.features.tobytes(), bank.updated.tobytes()


def test_entries_come_back_with_length_one_and_their_age(tmp_path):
    bank = _filled(tmp_path / "bank", step=4)
    rng = np.random.default_rng(5)
    new = _unit(rng, 3)
    bank.write([1, 2], [np.array([2]), np.array([7, 0])], new, 9)
    assert bank.features.dtype == np.float16 and len(bank) == 16
    np.testing.assert_allclose(bank.read(2, np.array([0, 7])), new[[2, 1]], atol=1e-3)
    np.testing.assert_allclose(np.linalg.norm(bank.read(0, np.arange(5)), axis=1), 1, atol=1e-6)
    assert bank.ages(2, np.array([0, 1, 7]), 10).tolist() == [1, 6, 1]
    assert bank.ages(1, np.arange(3), 10).tolist() == [6, 6, 1]


def test_it_lies_in_files_not_in_memory(tmp_path):
    bank = _filled(tmp_path / "bank")
    assert isinstance(bank.features, np.memmap)
    assert (tmp_path / "bank" / "features-0.f16").stat().st_size == 16 * DIM * 2


@pytest.mark.parametrize("later", [0, 1, 3])
def test_writes_after_a_checkpoint_are_taken_back(tmp_path, later):
    bank = _filled(tmp_path / "bank")
    for step in range(4):
        _write(bank, step)
    state, expected = bank.state_dict(), _content(bank)
    for step in range(4, 4 + later):
        _write(bank, step)
    other = MemoryBank(tmp_path / "bank", COUNTS, DIM)
    other.load_state_dict(state)
    assert _content(other) == expected
    _write(other, 4)
    _write(bank := _again(tmp_path, 4), 4)
    assert _content(other) == _content(bank)


def _again(tmp_path, steps: int) -> MemoryBank:
    """The same history without an interruption."""
    bank = _filled(tmp_path / "again")
    for step in range(steps):
        _write(bank, step)
    return bank


def test_a_write_that_was_cut_in_half_is_taken_back(tmp_path):
    bank = _filled(tmp_path / "bank")
    _write(bank, 0)
    state, expected = bank.state_dict(), _content(bank)
    _write(bank, 1)
    bank.features[3:9] = 7
    where = np.load(tmp_path / "bank" / "undo-0" / "000000001.npz")["where"]
    untouched = np.setdiff1d(np.arange(3, 9), where)
    bank.features[untouched] = np.frombuffer(expected[0], np.float16).reshape(16, DIM)[untouched]
    other = MemoryBank(tmp_path / "bank", COUNTS, DIM)
    other.load_state_dict(state)
    assert _content(other) == expected


def test_it_returns_across_a_refresh_to_the_last_two_checkpoints(tmp_path):
    bank = _filled(tmp_path / "bank")
    states = []
    for step in range(6):
        _write(bank, step)
        states.append((bank.state_dict(), _content(bank)))
        if step == 3:
            _filled(tmp_path / "bank", seed=9, step=4, bank=bank)
    _write(bank, 6)
    for state, expected in states[:-3:-1]:
        other = MemoryBank(tmp_path / "bank", COUNTS, DIM)
        other.load_state_dict(state)
        assert _content(other) == expected


def test_what_no_checkpoint_can_ask_for_is_deleted(tmp_path):
    bank = _filled(tmp_path / "bank")
    for step in range(9):
        _write(bank, step)
        bank.state_dict()
    kept = sorted(path.stem for path in (tmp_path / "bank" / "undo-0").glob("*.npz"))
    assert kept == ["000000007", "000000008"]
    _filled(tmp_path / "bank", bank=bank, step=9)
    for step in range(9, 13):
        _write(bank, step)
        bank.state_dict()
    assert not (tmp_path / "bank" / "features-0.f16").exists()
    bank.remove()
    assert not (tmp_path / "bank").exists()


def test_a_lost_bank_says_so(tmp_path):
    bank = _filled(tmp_path / "bank")
    state = bank.state_dict()
    bank.remove()
    with pytest.raises(MethodError, match="cannot return"):
        MemoryBank(tmp_path / "bank", COUNTS, DIM).load_state_dict(state)
    with pytest.raises(MethodError, match="empty"):
        MemoryBank(tmp_path / "other", COUNTS, DIM).read(0, np.arange(1))
