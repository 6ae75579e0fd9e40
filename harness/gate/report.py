"""A night as a table, as Markdown for a summary page, and as JUnit XML for a continuous integration."""

from __future__ import annotations

import re
from collections.abc import Iterator
from xml.etree import ElementTree

from harness.core.table import Column, Table
from harness.core.table_text import WRITERS
from harness.gate.judged import NAMES, Judged
from harness.gate.night import Night
from harness.gate.statistics import LEVEL

_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def table_of(night: Night) -> Table:
    """Every measure with its band, and every problem."""
    rows: list[dict[str, object]] = [
        {"reference": one.reference, "measure": NAMES.get(one.measure, one.measure), "band": one.mean}
        | {"spread": one.spread, "tonight": one.value, "runs": one.runs, "p": one.p}
        | {"verdict": "RED" if one.red else "green"}
        for one in night.judged
    ]
    rows += [{"reference": one.reference, "verdict": f"RED: {one.error.problem}"} for one in night.problems]
    columns = [
        Column("reference"),
        Column("measure"),
        Column("band", text=_number, right=True),
        Column("±", ("spread",), text=_number, right=True),
        Column("tonight", text=_number, right=True),
        Column("runs", right=True),
        Column("p", text=_number, right=True),
        Column("verdict"),
    ]
    caption = (
        f"p: of the fresh seeds, corrected for all measures; 1 where no suspicion was left; red below {LEVEL:g}. "
        "CPU time in calibration loops, memory in MB, with relative spreads"
    )
    return Table(f"{headline(night)} (seeds from {night.seed})", columns, rows, caption)


def headline(night: Night) -> str:
    """The night in one line."""
    references = {one.reference for one in night.judged} | {one.reference for one in night.problems}
    if not night.judged:
        return "Regression gate: RED, nothing was measured"
    red = {one.reference for one in night.judged if one.red} | {one.reference for one in night.problems}
    if red:
        return f"Regression gate: RED, {len(red)} of {len(references)} references: {', '.join(sorted(red))}"
    return f"Regression gate: green, {len(references)} of {len(references)} references within their bands"


def markdown_of(night: Night) -> str:
    """A summary for people."""
    lines = [WRITERS["markdown"]([table_of(night)])]
    lines += [f"- {one.reference}: {one.words}\n" for one in night.judged if one.red]
    lines += [
        f"- {one.reference}: {one.error.problem} (at {one.error.place}; fix: {one.error.fix})\n"
        for one in night.problems
    ]
    return "\n".join(lines) + "".join(f"\n- note: {note}\n" for note in night.notes)


def junit_of(night: Night) -> str:
    """JUnit XML: a test case per measure, a failure where it is red, an error where nothing could be judged."""
    cases = list(_cases(night))
    suite = ElementTree.Element("testsuite", name="bench regress", tests=str(len(cases)))
    suite.set("failures", str(sum(one.find("failure") is not None for one in cases)))
    suite.set("errors", str(sum(one.find("error") is not None for one in cases)))
    suite.extend(cases)
    root = ElementTree.Element("testsuites")
    root.append(suite)
    ElementTree.indent(root)
    # As bytes: with "unicode" the declaration would name the encoding of the locale.
    found: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return found.decode() + "\n"


def _cases(night: Night) -> Iterator[ElementTree.Element]:
    for one in night.judged:
        case = _case(one.reference, one.measure)
        if one.red:
            _add(case, "failure", f"{one.words} (p = {one.p:.2g} over {one.runs} runs)", kind=_kind(one))
        else:
            ElementTree.SubElement(case, "system-out").text = _text(one.words)
        yield case
    for problem in night.problems:
        error = problem.error
        case = _case(problem.reference, "measured")
        _add(case, "error", error.problem, kind=type(error).__name__, more=f"at: {error.place}\nfix: {error.fix}")
        yield case
    if not night.judged and not night.problems:
        case = _case("bench regress", "measured")
        _add(case, "error", "nothing was measured", kind="empty")
        yield case


def _case(reference: str, measure: str) -> ElementTree.Element:
    return ElementTree.Element("testcase", classname=f"regress.{_text(reference)}", name=_text(measure))


def _add(case: ElementTree.Element, tag: str, message: str, *, kind: str, more: str = "") -> None:
    found = ElementTree.SubElement(case, tag, message=_text(message), type=kind)
    found.text = _text(more)


def _kind(one: Judged) -> str:
    return "cost" if one.cost else "score"


def _number(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, int | float) else ""


def _text(value: str) -> str:
    """Without characters that XML cannot hold."""
    return _NOT_XML.sub("\ufffd", value)
