"""Memory that is lent for one slide and used again for another."""

from __future__ import annotations

import threading

import numpy as np

from harness.features.room import LEAST_BYTES, Rooms, empty

SHAPE = (LEAST_BYTES // 4, 2)


def test_outside_a_loan_and_for_small_arrays_memory_is_fresh() -> None:
    rooms = Rooms()
    loan = rooms.loan()
    with loan:
        small = empty((3, 2), np.float16)
    plain = empty(SHAPE, np.float16)
    loan.end()
    with rooms.loan():
        other = empty(SHAPE, np.float16)
    assert small.shape == (3, 2)
    assert not np.shares_memory(plain, other)


def test_memory_is_used_again_only_after_its_loan_has_ended() -> None:
    rooms = Rooms()
    first, second, third = rooms.loan(), rooms.loan(), rooms.loan()
    with first:
        one = empty(SHAPE, np.float32)
    with second:
        two = empty(SHAPE, np.float32)
    assert not np.shares_memory(one, two)
    first.end()
    first.end()
    with third:
        three, four = (empty((LEAST_BYTES // 2, 2), np.float16) for _ in range(2))
    assert three.dtype == np.float16
    assert three.shape == (LEAST_BYTES // 2, 2)
    assert np.shares_memory(one, three)
    assert not any(np.shares_memory(four, other) for other in (one, two, three))


def test_a_larger_slide_gets_a_larger_piece_in_place_of_one_that_is_too_small() -> None:
    rooms = Rooms()
    for rows in (LEAST_BYTES, 3 * LEAST_BYTES, 2 * LEAST_BYTES):
        loan = rooms.loan()
        with loan:
            assert empty((rows, 1), np.uint8).shape == (rows, 1)
        loan.end()
    assert [len(piece) for piece in rooms._free] == [3 * LEAST_BYTES]


def test_a_loan_is_that_of_its_thread() -> None:
    found: list[np.ndarray] = []
    with (loan := Rooms().loan()):
        thread = threading.Thread(target=lambda: found.append(empty(SHAPE, np.float16)))
        thread.start()
        thread.join()
        assert loan._taken == []
    assert found[0].shape == SHAPE
