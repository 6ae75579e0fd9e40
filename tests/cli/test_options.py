"""Option values: numbers and ranges, key=value, the configuration file, and who wins."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.cli.options import config_file, data_root_of
from harness.cli.study_options import NAMES, merged, plugins, study_config
from harness.core.errors import UsageError
from harness.core.options import assignments, numbers


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
    assert numbers(texts, "--fold") == expected


@pytest.mark.parametrize("text", ["", "a", "-1", "1-", "3-1", "1.5", "0-99999999", "1,,2", None, True])
def test_other_texts_are_no_numbers(text):
    with pytest.raises(UsageError):
        numbers([text], "--fold")


@given(st.lists(st.integers(0, 500), unique=True, min_size=1, max_size=20))
def test_numbers_read_what_they_are_written_as(values):
    assert numbers([",".join(map(str, values))], "--fold") == tuple(values)


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


OUT_OF_RANGE = {
    "--seed": ["-1", str(2**63), "9" * 5000, "nan", "1e3", "0x10", "1_0", "0-99999", "5-1", "²"],
    "--fold": ["-1", "9" * 5000, "inf", "1.0", "10-"],
    "--seeds": ["0", "-1", "9" * 5000, "1000000000", "nan", "010x"],
    "--workers": ["0", "-1", "9" * 5000, "1000000000", "1.5"],
    "--devices": ["0", "-2", "9" * 5000, "1000000000"],
    "--trials": ["0", "-1", "9" * 5000, "1000000000"],
    "--tune-budget": ["0s", "-1s", "nans", "infh", "9" * 400 + "s", "1e9s", "30"],
    "--tune-batch": ["0", "-1", "9" * 50],
    "--tune-folds": ["0", "-3", "9" * 50],
    "--memory-limit": ["0", "-8GB", "nanGB", "infGB", "9" * 400 + "TB", "1e3GB"],
    "--gpus-per-unit": ["0", "-1", "nan", "inf", "1.5", "1e30"],
    "--cpus-per-unit": ["0", "-1", "9" * 50],
    "--parallel": ["0", "-1", "9" * 50],
    "--device": ["cuda:-1", "cuda:" + "9" * 30, "gpu"],
    "--precision": ["fp8", "32"],
}


@pytest.mark.parametrize("option", OUT_OF_RANGE)
def test_values_that_nothing_can_have_are_refused_on_the_line_and_in_a_file(bench, tmp_path, option):
    needs = {"--gpus-per-unit": ["--launcher", "ray"], "--parallel": ["--launcher", "ray"]}.get(option, [])
    needs += ["--trials", "3"] if option.startswith("--tune") else []
    run = ["run", "--method", "mean_pool", "--dataset", "musk1", "--dry-run", *needs]
    for value in OUT_OF_RANGE[option]:
        answer = bench(*run, f"{option}={value}")
        assert answer.code == 2, (option, value)
        assert option in answer.check_three_lines()[1]
        assert len(answer.err) < 1000
        name = option.removeprefix("--").replace("-", "_")
        (tmp_path / "study.yaml").write_text(f"{name}: {value}\n")
        assert bench(*run, "--config", "study.yaml").code == 2, (option, value)


@pytest.mark.parametrize("value", ["nan", "inf", "0", "-1", "1e9"])
def test_resolutions_that_no_slide_has(bench, tmp_path, value):
    for words in (
        ("prepare", ".", f"--mpp={value}"),
        ("prepare", ".", f"--tile-mpp={value}"),
        ("datasets", "new", "x", "--slides", ".", "--labels", "l.csv", f"--mpp={value}"),
    ):
        answer = bench(*words)
        assert answer.code == 2
        assert "mpp" in answer.check_three_lines()[1]


def test_padded_numbers_mean_the_same_in_a_file_and_on_the_line(tmp_path):
    file = config_file(
        write(tmp_path / "s.yaml", "method: abmil\ndataset: musk1\nfold: 010\nseed: [010, 0-01]\n"), NAMES
    )
    study = study_config(merged({}, file))
    assert (study.folds, study.seeds) == ((10,), (10, 0, 1))


@pytest.mark.parametrize("text", ["fold: []", "seed: [[1]]", "plugin: 5", "plugin: [1]", 'out: "a\\0b"', "trials: 010"])
def test_files_with_values_of_other_kinds(bench, tmp_path, text):
    write(tmp_path / "s.yaml", f"method: mean_pool\ndataset: musk1\n{text}\n")
    answer = bench("run", "--config", "s.yaml", "--dry-run")
    assert answer.code == 2, answer.out
    answer.check_three_lines()
