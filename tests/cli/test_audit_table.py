"""``bench audit-table``: forms of tables it reads, and what it says of them."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest

TABLE = """Method,Metric,Value,Std,N,n pos,year
ABMIL,Acc,.875,,40,18,2018
TransMIL,accuracy,88.3%,,40,18,2021
CLAM,AUROC,0.9318,,40,18,2021
DSMIL,AUC,$0.9319$,,40,18,2021
"""


@pytest.fixture
def paper(bench, tmp_path: Path):
    def write(text: str, **kwargs) -> str:
        (tmp_path / "paper.csv").write_text(text, **kwargs)
        return "paper.csv"

    return write


def test_impossible_numbers_are_shown_with_their_neighbours(bench, paper):
    answer = bench("audit-table", paper(TABLE))
    assert answer.code == 0, answer.err
    assert "4 numbers: 2 impossible, 2 possible, 0 not checked" in answer.out
    assert "TransMIL" in answer.out and "87.5%, 90.0%" in answer.out and "CLAM" not in answer.out
    assert "columns that are not used: year" in answer.err
    assert "wrong last digit would have been noticed in 9" in answer.out
    assert bench("audit-table", "paper.csv", "--strict").code == 1
    rows = list(csv.DictReader(io.StringIO(bench("audit-table", "paper.csv", "--all", "--csv").out)))
    assert [row["verdict"] for row in rows] == ["possible", "impossible", "possible", "impossible"]


def test_columns_named_by_scores_and_spreads_in_their_cells(bench, paper):
    text = "method;acc;AUC (%)\nA;0,95 ± 0,16;93,18\nB;95.0 (10.0);\n"
    answer = bench("audit-table", paper(text, encoding="utf-8-sig"), "--n", "40", "--folds", "4", "--all")
    assert answer.code == 0, answer.err
    assert "3 numbers: 1 impossible, 1 possible, 1 not checked" in answer.out
    assert "reach 0.110" in answer.out and "the number of positive slides is not given" in answer.out


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "empty"),
        ("a,b\n1,2\n", "no score"),
        ("metric,value\nauc,good\n", "'good' is no number"),
        ("metric,value,n\nauc,.9,-3\n", "n is '-3'"),
        ("metric,value,fold_sizes,folds\nacc,.9,3 4 5,2\n", "fold_sizes are 3 numbers"),
        ("value\n.9\n", "no metric"),
        ("metric,value,average\nacc,.9,mean\n", "average is 'mean'"),
        ("metric,value,n,n_pos\nacc,.9,10,11\n", "fewer than"),
        ("n,n,acc\n1,2,.9\n", "stands twice"),
    ],
)
def test_tables_that_make_no_sense_are_refused_with_their_line(bench, paper, text, said):
    answer = bench("audit-table", paper(text))
    assert answer.code == 2
    problem, place, _ = answer.check_three_lines()
    assert said in problem and "paper.csv" in place


def test_a_file_that_is_not_there(bench):
    problem, _, _ = bench("audit-table", "none.csv").check_three_lines()
    assert problem == "there is no such file"
