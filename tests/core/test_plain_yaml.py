"""YAML that somebody wrote means what it says, and costs little whatever it says."""

from __future__ import annotations

import math
import time
from itertools import pairwise

import pytest
import yaml

from harness.core.plain_yaml import YamlError, parse_yaml


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("10", 10),
        ("-3", -3),
        ("+7", 7),
        ("0", 0),
        ("0.10", 0.1),
        (".5", 0.5),
        ("3.", 3.0),
        ("1e-4", 1e-4),
        ("1E5", 1e5),
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("", None),
        (".inf", math.inf),
        ("[0.5, 2]", [0.5, 2]),
        ("!!str 010", "010"),
    ],
)
def test_plain_numbers_and_words(text: str, value: object) -> None:
    assert parse_yaml(text) == value
    assert type(parse_yaml(text)) is type(value)


AS_WRITTEN = "010 -010 00.5 0o10 0x1F 0b11 1_000 1_0.5 1:30 190:20:30 2001-01-01 yes No on OFF y 1e + . = <<"


@pytest.mark.parametrize("text", AS_WRITTEN.split())
def test_what_yaml_1_1_reads_as_something_else_stays_text(text: str) -> None:
    assert parse_yaml(text) == text
    assert parse_yaml(f"{{{text}: [{text}]}}") == {text: [text]}


@pytest.mark.parametrize(
    ("text", "problem", "line"),
    [
        ("a: 1\nb: 2\na: 3", "twice", 3),
        ("a: 1\n'a': 2", "twice", 2),
        ("? [1]\n: 2", "key", 1),
        ("a:\n  - &x [*x]", "itself", 2),
        ("a: !!binary aGk=", "tag", 1),
        ("a: !!python/name:os.system", "tag", 1),
        ("\n!!map x", "tag", 2),
        ("!!int 1_0", "whole number", 1),
        ("--- 1\n--- 2", "document", 2),
        ("[1, 2", "expected", 2),
        ("a: " + "9" * 5000, "5000 digits", 1),
        ("a: 99999999999999999999", "20 digits", 1),
        ("a: 1e999", "too large", 1),
        ("a: \x00", "control", None),
        ("\udc80", "character", None),
        ("[" * 100_000, "nest", 1),
        ("{a: " * 100_000, "deep", 1),
        ("".join(" " * depth + "a:\n" for depth in range(200)), "deep", 51),
        ("- " * 100_000, "deep", 1),
    ],
)
def test_what_is_refused_and_where(text: str, problem: str, line: int | None) -> None:
    with pytest.raises(YamlError, match=problem) as error:
        parse_yaml(text)
    assert error.value.line == line
    assert len(str(error.value)) < 200


def test_an_alias_is_a_value_and_aliases_of_aliases_are_no_billion() -> None:
    assert parse_yaml("a: &x [1, 2]\nb: *x") == {"a": [1, 2], "b": [1, 2]}
    names = "abcdefghij"
    lines = [f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]" for before, name in pairwise(names)]
    start = time.perf_counter()
    with pytest.raises(YamlError, match="values"):
        parse_yaml("\n".join(["a: &a [x]", *lines]))
    assert time.perf_counter() - start < 2


def test_what_the_harness_writes_is_read_as_it_was() -> None:
    value = {"folds": [8, "010", "1_000", "yes", "0x10", "1:30"], "no": None, "lr": 1e-05, "on": True, "mpp": [0.5]}
    assert parse_yaml(yaml.safe_dump(value)) == value
