"""A night as JUnit XML and Markdown."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from harness.core.errors import UnitFailedError
from harness.gate.night import Night, Problem, judge
from harness.gate.report import headline, junit_of, markdown_of


@pytest.fixture
def red(drawn):
    drawn.shifts = {"abmil-two": {"sigmas": 6}}

    def run(reference, seed):
        if reference.name == "abmil-three":
            raise UnitFailedError("a unit \x00 failed <&>", place="there", fix="look")
        return drawn.run(reference, seed)

    return judge(drawn.references, lambda one: drawn.bands[one.name], run, seed=10**6)


def test_junit_has_a_case_per_measure(red) -> None:
    assert junit_of(red).startswith("<?xml version='1.0' encoding='utf-8'?>")
    suite = ElementTree.fromstring(junit_of(red)).find("testsuite")
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("9", "2", "1")
    failed = [(case.get("classname"), case.get("name")) for case in suite if case.find("failure") is not None]
    assert failed == [("regress.abmil-two", "auc"), ("regress.abmil-two", "log_loss")]
    assert "the band has" in suite.find(".//failure").get("message")
    assert suite.find(".//error").get("message") == "a unit \ufffd failed <&>"


def test_markdown_names_what_is_red(red) -> None:
    text = markdown_of(red)
    assert "RED, 2 of 3 references: abmil-three, abmil-two" in text
    assert "fix: look" in text and "| abmil-one |" in text


def test_a_night_without_anything_is_an_error_in_junit() -> None:
    empty = Night(0, (), (), ())
    assert headline(empty) == "Regression gate: RED, nothing was measured"
    assert ElementTree.fromstring(junit_of(empty)).find(".//error").get("message") == "nothing was measured"


def test_problems_alone_are_nothing_measured() -> None:
    error = UnitFailedError("it broke", place="there", fix="look")
    assert "nothing was measured" in headline(Night(0, (), (Problem("one", error),), ()))
