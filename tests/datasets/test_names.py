from __future__ import annotations

import pytest

from harness.core.errors import DataError
from harness.datasets.names import check_name


@pytest.mark.parametrize(
    "name",
    ["normal_001", "TCGA-A1-A0SB-01Z-00-DX1.B34C267B", "D2017 2019-05-21 11_28_51-lv1", "Größe-7", "-1", "+2.5", "N+"],
)
def test_names_as_they_occur(name: str) -> None:
    assert check_name(name, "slide", "here") == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        "..",
        ".hidden",
        "../x",
        "a/b",
        "/etc/passwd",
        "C:\\x",
        "a\\b",
        "a\nb",
        "a\rb",
        "a\tb",
        "a\x00b",
        "a\x1b[31mb",
        "a\u202eb",
        "a\u2028b",
        "a\u00a0b",
        "a ",
        " a",
        "=1+1",
        "+cmd|' /C calc'!A0",
        "-2+3",
        "@SUM(A1)",
        "a*",
        "a?",
        "x" * 201,
    ],
)
def test_names_that_could_do_harm(name: str) -> None:
    with pytest.raises(DataError, match="name of a slide") as error:
        check_name(name, "slide", "table, line 3")
    assert error.value.place == "table, line 3"
    assert "\n" not in error.value.problem
    assert "\x1b" not in error.value.problem
