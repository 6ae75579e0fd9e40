"""Misspelt names are answered with the right ones."""

from __future__ import annotations

import pytest

from harness.core.suggest import nearest, same_word

KNOWN = (
    "abmil",
    "clam_sb",
    "clam_mb",
    "camelyon16",
    "camelyon16-mini",
    "lr",
    "batch_size",
    "epochs",
    "nsclc",
    "tcga-brca",
)


@pytest.mark.parametrize(
    ("word", "first"),
    [
        ("CLAM-SB", "clam_sb"),
        ("CAMELYON-16", "camelyon16"),
        ("Camelyon16 Mini", "camelyon16-mini"),
        ("learning_rate", "lr"),
        ("learning-rate", "lr"),
        ("n_epochs", "epochs"),
        ("bs", "batch_size"),
        ("TCGA-NSCLC", "nsclc"),
        ("TCGA_BRCA", "tcga-brca"),
        ("brca", "tcga-brca"),
        ("abmli", "abmil"),
    ],
)
def test_the_nearest_name_comes_first(word: str, first: str) -> None:
    assert nearest(word, KNOWN)[0] == first


@pytest.mark.parametrize("word", ["", "-", "qqqqqqq", "\u202e"])
def test_what_is_like_nothing_has_no_answer(word: str) -> None:
    assert nearest(word, KNOWN) == []


def test_at_most_as_many_as_asked_for_and_each_once() -> None:
    assert nearest("clam_sb", KNOWN, count=2) == ["clam_sb", "clam_mb"]


def test_the_same_word_is_another_spelling_and_no_lookalike() -> None:
    assert same_word("--batch-size", "batch_size") and same_word("LearningRate", "lr")
    assert not same_word("l", "lr") and not same_word("epoch", "epochs")
