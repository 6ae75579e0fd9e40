"""Option values: numbers and ranges, key=value, the configuration file, and who wins."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.cli.options import assignments, config_file, data_root_of, numbers
from harness.cli.study_options import NAMES, merged, plugins, study_config
from harness.errors import UsageError


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["3"], (3,)),
        (["0-4"], (0, 1, 2, 3, 4)),
        (["0,2", "7"], (0, 2, 7)),
        (["5-6,1", "6-8"], (5, 6, 1, 7, 8)),
        ([2, 3], (2, 3)),
        (["4-4"], (4,)),
    ],
)
def test_numbers_and_ranges(texts, expected):
    assert numbers(texts, place="--fold") == expected


@pytest.mark.parametrize("text", ["", "a", "-1", "1-", "3-1", "1.5", "0-99999999", "1,,2", None, True])
def test_other_texts_are_no_numbers(text):
    with pytest.raises(UsageError):
        numbers([text], place="--fold")


@given(st.lists(st.integers(0, 500), unique=True, min_size=1, max_size=20))
def test_numbers_read_what_they_are_written_as(values):
    assert numbers([",".join(map(str, values))], place="--fold") == tuple(values)


def test_values_are_yaml():
    texts = ["lr=1e-3", "width=64", "gated=true", "clip=null", "input.mpp=[0.5, 2]", "kind=none", "path=a=b"]
    assert assignments(texts) == {
        "lr": 1e-3,
        "width": 64,
        "gated": True,
        "clip": None,
        "input.mpp": [0.5, 2],
        "kind": "none",
        "path": "a=b",
    }


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_the_command_line_wins_over_the_file(tmp_path):
    file = config_file(
        write(
            tmp_path / "study.yaml",
            "method: abmil\ndataset: musk1\nseed: 0-2\nfold: [1, 2]\ndata-root: ~/data\nencoder: resnet18.tv_in1k\n"
            "workers: 2\nplugin: mine.py\nset:\n  lr: 1.0e-3\n  epochs: 5\n",
        ),
        NAMES,
    )
    line = {"method": "gated_abmil", "set": ["epochs=7"], "seed": [], "encoder": "conv27", "fold": None}
    options = merged(line, file)
    study = study_config(options)
    assert (study.method, study.dataset) == ("gated_abmil", "musk1")
    assert study.set == {"lr": 1e-3, "epochs": 7, "input.encoder": "conv27"}
    assert (study.seeds, study.folds, study.workers) == ((0, 1, 2), (1, 2), 2)
    assert study.data_root == Path("~/data").expanduser()
    assert study.out == Path("runs")
    assert plugins(options) == ("mine.py",)


def test_nothing_given_is_the_defaults():
    study = study_config(merged({"method": "abmil", "dataset": "musk1", "set": None, "fold": None}, {}))
    assert (study.folds, study.seeds, study.device, study.precision) == (None, (0,), "auto", "auto")
    assert (study.set, study.data_root, study.cache, study.workers) == ({}, None, None, None)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("metod: abmil", "unknown option 'metod'"),
        ("- method", "holds no options"),
        ("", "holds no options"),
        ("method: [", "not valid YAML"),
        ("set: 3", "`set` is not a mapping"),
    ],
)
def test_a_wrong_file_is_refused(tmp_path, text, problem):
    with pytest.raises(UsageError, match=problem) as caught:
        config_file(write(tmp_path / "study.yaml", text), NAMES)
    assert "study.yaml" in caught.value.place


@pytest.mark.parametrize(
    "wrong",
    [
        {"method": 3},
        {"dataset": ["musk1"]},
        {"workers": "two"},
        {"workers": 0},
        {"out": 3},
        {"fold": {"a": 1}},
        {"device": 1},
    ],
)
def test_wrong_kinds_in_a_file_are_refused(wrong):
    with pytest.raises(UsageError):
        study_config(merged({}, {"method": "abmil", "dataset": "musk1"} | wrong))


def test_an_option_and_its_set_may_agree_but_not_differ():
    same = merged({"input": "tiles", "set": ["input.kind=tiles"]}, {})
    assert same["set"] == {"input.kind": "tiles"}
    with pytest.raises(UsageError, match="given twice"):
        merged({"input": "tiles", "set": ["input.kind=features"]}, {})
    over = merged({"encoder": "conv27"}, {"set": {"input.encoder": "conv64"}})
    assert over["set"] == {"input.encoder": "conv27"}


def test_the_data_root_comes_from_the_option_or_the_environment(tmp_path, monkeypatch):
    monkeypatch.delenv("BENCH_DATA", raising=False)
    assert data_root_of("camelyon16", None) is None
    monkeypatch.setenv("BENCH_DATA", str(tmp_path))
    assert data_root_of("camelyon16", None) is None
    (tmp_path / "camelyon16").mkdir()
    assert data_root_of("camelyon16", None) == tmp_path / "camelyon16"
    assert data_root_of("camelyon16", Path("given")) == Path("given")
