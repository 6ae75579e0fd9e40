"""Hostile inputs for the command line: cards, tables, settings, options, evidence and arrays, drawn at random.

Each case changes a dataset ``toy`` and a runs folder ``runs`` in a folder, and gives the words of a command that meets
what was changed. ``tests/faults/fuzz.py`` runs them.
"""

from __future__ import annotations

import copy
import json
import os
import random
import zipfile
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

Words = list[str]
Case = Callable[[random.Random, Path], Words]

# fmt: off
ODD_TEXTS = [
    "", " ", "0", "-1", "-0", "010", "0x10", "0o7", "1_000", "1e3", "1e999", "-1e-999", "nan", ".nan", "inf", "-.inf",
    "1:30", "yes", "no", "on", "null", "~", "None", "NA", "true", "TRUE", "2001-01-01", "[]", "{}", "[1, 2]", "[[[]]]",
    "{a: 1}", "- a", "!!python/object/apply:os.system ['true']", "!!binary aGk=", "!!set {a}", "&a [*a]", "*a", "<<",
    "=", "%", "@", "`", "|", ">", "'", '"', "\\", "\t", "a: b: c", "a\nb", "\x00", "\x1b[31m", "\ufeff", "\u202e", "é",
    "e\u0301", "１２", "²", "\ud800", "😀" * 50, "../../etc/passwd", "/etc/passwd", "/dev/zero", "/dev/stdin", ",", ";",
    "file:///etc/passwd", "a/b", "C:\\x", "{slide}", "{slide.__class__}", "{0}", "{}", "%s", "$HOME", "$(true)", "=1+1",
    "x" * 300, "x" * 20_000, "9" * 30, "9" * 5000, "-" + "9" * 5000, "1." + "0" * 5000, str(2**63), str(2**64),
    str(-(2**63)), str(2**31), "99999999999", "0.1", "-0.5", "1e-320", "0.5,1", "[" * 500, "{a: " * 500, "[" * 100_000,
    "x: " * 5000, "cuda:0", "cuda:99999999999999999999", "auto", "all", "0-9", "9-0", "0-99999999", "0,0,0", "1-", "-",
    "1,,2", "tpe", "1s", "0s", "1e9d", "99999999999999999d", "8GB", "0GB", "1e5GB", "9" * 400 + "GB", "-8GB",
]
ODD_VALUES: list[Any] = [
    None, True, False, 0, -1, 1, 2**31, 2**63, 2**64, -(2**63), 10**30, 0.0, -0.5, 1e308, 1e-320, float("nan"),
    float("inf"), [], {}, [[]], [None], {"a": {}}, [1, "a", None], ["x"] * 1000, "x", "", "12 s", "0x10", "x" * 10_000,
    "\x00", "é",
]
# fmt: on


def odd(rng: random.Random) -> str:
    """Some text that is odd, or a random one."""
    if rng.random() < 0.85:
        return rng.choice(ODD_TEXTS)
    return "".join(
        chr(rng.choice([rng.randrange(32, 127), rng.randrange(128, 0x3000)])) for _ in range(rng.randrange(1, 30))
    )


def argument(rng: random.Random) -> str:
    """Some odd text that the system can hand over as a word of a command."""
    return odd(rng).replace("\x00", "").replace("\ud800", "")[:100_000]


def write(path: Path, text: str) -> None:
    """Write text that may hold what UTF-8 has no bytes for."""
    path.write_bytes(text.encode("utf-8", "surrogatepass"))


def nested(depth: int, value: Any = 0) -> Any:
    """Lists in lists."""
    for _ in range(depth):
        value = [value]
    return value


def damaged(rng: random.Random, data: bytes) -> bytes:
    """Bytes with a part changed, cut, repeated or put in."""
    at, to = sorted(rng.randrange(len(data) + 1) for _ in range(2))
    return rng.choice(
        [
            data[:at],
            data[:at] + data[to:],
            data[:at] + data[at:to] * 3 + data[to:],
            data[:at] + rng.randbytes(rng.randrange(1, 40)) + data[at:],
            data[:at] + bytes([rng.randrange(256)]) + data[at + 1 :],
            data + b"\x00" * rng.randrange(1, 5000),
            data.replace(b"\n", b"\r"),
            "\ufeff".encode() + data,
            data.decode("utf-8", "replace").encode("utf-16"),
        ]
    )


def replaced(rng: random.Random, path: Path) -> None:
    """Something else in place of a file: a pipe, a folder, a device, a dead link, a huge or unreadable file."""
    path.unlink()
    kind = rng.choice(["pipe", "folder", "zero", "dead", "loop", "huge", "locked", "random"])
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind in {"zero", "dead", "loop"}:
        path.symlink_to({"zero": "/dev/zero", "dead": "/nowhere", "loop": path}[kind])
    elif kind == "huge":
        with path.open("wb") as file:
            file.truncate(1 << 36)
    else:
        path.write_bytes(rng.randbytes(500))
        path.chmod(0 if kind == "locked" else 0o644)


def spots(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where a nested value can be changed."""
    found = [path] if path else []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        found += spots(inner, (*path, key))
    return found


def changed(rng: random.Random, value: Any, new: Callable[[random.Random], Any]) -> Any:
    """A nested value with one part replaced, removed or added."""
    *path, last = rng.choice(spots(value))
    inner = value
    for key in path:
        inner = inner[key]
    act = rng.random()
    if act < 0.15:
        del inner[last]
    elif act < 0.25 and isinstance(inner, dict):
        inner[odd(rng)] = copy.deepcopy(new(rng))
    else:
        inner[last] = copy.deepcopy(new(rng))
    return value


DATASET_WORDS: list[Words] = [
    ["datasets", "verify", "./toy"],
    ["datasets", "show", "./toy"],
    ["run", "--method", "mean_pool", "--dataset", "./toy", "--dry-run"],
]


def card(rng: random.Random, work: Path) -> Words:
    """A card with one or two odd fields, or odd text."""
    import yaml

    path = work / "toy" / "card.yaml"
    if rng.random() < 0.6:
        fields = yaml.safe_load(path.read_text())
        for _ in range(rng.randrange(1, 3)):
            fields = changed(rng, fields, lambda rng: rng.choice(ODD_VALUES) if rng.random() < 0.5 else odd(rng))
        write(path, yaml.safe_dump(fields, allow_unicode=False))
    else:
        lines = path.read_text().splitlines()
        at = rng.randrange(len(lines))
        key = lines[at].partition(":")[0]
        lines[at] = rng.choice([f"{key}: {odd(rng)}", odd(rng), f"{lines[at]}\n{lines[at]}", f"{lines[at]} {odd(rng)}"])
        write(path, "\n".join(lines))
    return rng.choice(DATASET_WORDS)


def table(rng: random.Random, work: Path) -> Words:
    """A label table or split file with odd cells, lines or bytes."""
    path = work / "toy" / rng.choice(["labels.csv", "splits.csv"])
    lines = [line.split(",") for line in path.read_text().splitlines()]
    for _ in range(rng.randrange(1, 4)):
        row = rng.choice(lines) if rng.random() < 0.8 else lines[0]
        if row:
            row[rng.randrange(len(row))] = odd(rng)
    if rng.random() < 0.3:
        lines.insert(rng.randrange(len(lines)), [odd(rng)] * rng.choice([0, 1, 3, 3000]))
    write(path, rng.choice("\n\n\n\r;").join(rng.choice(",,,,;\t").join(row) for row in lines) + "\n")
    if rng.random() < 0.3:
        path.write_bytes(damaged(rng, path.read_bytes()))
    return rng.choice(DATASET_WORDS)


def file_kind(rng: random.Random, work: Path) -> Words:
    """Something that is no file in place of one, or random damage."""
    if rng.random() < 0.5:
        path = work / "toy" / rng.choice(["labels.csv", "splits.csv", "card.yaml", "features.npz"])
        words = rng.choice(DATASET_WORDS)
    else:
        path = rng.choice(sorted(path for path in (work / "runs").rglob("*") if path.is_file()))
        words = rng.choice(EVIDENCE_WORDS)
    if rng.random() < 0.5:
        replaced(rng, path)
    else:
        path.write_bytes(damaged(rng, path.read_bytes()))
    return words


def settings(rng: random.Random, work: Path) -> Words:
    """A configuration file with odd options."""
    from harness.cli.study_options import NAMES

    lines = ["method: mean_pool", "dataset: ./toy"]
    for name in rng.sample(NAMES, rng.randrange(1, 4)):
        value = odd(rng) if rng.random() < 0.6 else json.dumps(rng.choice(ODD_VALUES))
        if name == "set":
            key = rng.choice(
                ["lr", "epochs", "trunk", "betas", "patience", "input.mpp", "input.tile_px", "input.encoder", odd(rng)]
            )
            value = f"{{{key}: {value}}}"
        lines.append(f"{name}: {value}")
    write(work / "study.yaml", "\n".join(lines))
    return ["run", "--config", "study.yaml", "--dry-run"]


def bomb(rng: random.Random, work: Path) -> Words:
    """A small file that stands for a large value."""
    letters = "abcdefghijklmnop"
    laughs = "a: &a [x, x]\n" + "".join(
        f"{name}: &{name} [{', '.join(['*' + before] * rng.randrange(2, 12))}]\n" for before, name in pairwise(letters)
    )
    text = rng.choice(
        [
            laughs,
            "a: " + "[" * rng.randrange(10, 200_000),
            "".join(f"{' ' * k}a:\n" for k in range(rng.randrange(10, 1000))),
            "".join(f"k{k}: {k}\n" for k in range(90_000)),
            "a: &a\n  b: *a\n",
            "a: 'x" + "\n" * 900_000,
            "? " * 10_000,
            "- " * 10_000,
            "a: " + "9" * 1_000_000,
            "# x\n" * 250_000,
            "a: !!int 0b" + "1" * 100_000,
            "---\n" * 100_000,
        ]
    )
    place = rng.choice(["study.yaml", "toy/card.yaml"])
    write(work / place, text if rng.random() < 0.5 else (work / "toy" / "card.yaml").read_text() + text)
    return ["run", "--config", "study.yaml", "--dry-run"] if place == "study.yaml" else rng.choice(DATASET_WORDS)


RUN = ["run", "--method", "mean_pool", "--dataset", "./toy", "--dry-run"]
NEW = ["datasets", "new", "x", "--slides", "toy", "--labels", "toy/labels.csv"]
OPTIONS: list[tuple[Words, str]] = [
    (
        RUN,
        "--method --dataset --protocol --preset --fold --seed --seeds --input --encoder --features --device --devices",
    ),
    (RUN, "--precision --data-root --out --cache --workers --plugin --config --fold --seed --seeds"),
    (RUN, "--trials --tune-budget --tune-sampler --tune-batch --tune-folds --tune-metric --prune"),
    (RUN, "--launcher --launcher-option --address --gpus-per-unit --cpus-per-unit --parallel --memory-limit"),
    (NEW, "--slides --labels --slide-col --into"),
    (NEW, "--label-col --patient-col --classes --mpp --folds --seed --time-col --event-col"),
    (["prepare", "toy"], "--mpp --tile-mpp --tile-px --data-root --out --cache --workers"),
    (["leaderboard", "show"], "--out --dataset --metric"),
    (["compare", "abmil-toy", "max_pool-toy"], "--out"),
    (["datasets", "draw", "camelyon16-mini", "/dev/null/x"], "--layout --side-px --seed --workers"),
]


def option(rng: random.Random, work: Path) -> Words:
    """An option or argument with an odd value."""
    words, options = rng.choice(OPTIONS)
    words, names = list(words), options.split()
    if rng.random() < 0.15:
        words[rng.randrange(1, len(words))] = argument(rng)
    for name in rng.sample(names, rng.randrange(1, 3) if len(names) > 1 else 1):
        words += [f"{name}={argument(rng)}"]
    return words


def hyper_parameter(rng: random.Random, work: Path) -> Words:
    """``--set`` with odd names and values, for any method."""
    from harness.api.registry import find_method, list_methods

    method = find_method(rng.choice([one.name for one in list_methods()]))
    names = [
        *method.Params.describe(),
        "input.mpp",
        "input.tile_px",
        "input.encoder",
        "input.kind",
        "input.x",
        odd(rng),
    ]
    words = ["run", "--method", method.card.name, "--dataset", rng.choice(["./toy", "camelyon16-mini"]), "--dry-run"]
    for _ in range(rng.randrange(1, 3)):
        words += ["--set", f"{rng.choice(names)}={odd(rng)}".replace("\x00", "").replace("\ud800", "")]
    return words


EVIDENCE_WORDS: list[Words] = [
    ["leaderboard", "show"],
    ["compare", "abmil-toy", "max_pool-toy"],
    ["tune", "show", "abmil-toy"],
    ["leaderboard", "show", "--metric", "f1"],
]


def evidence(rng: random.Random, work: Path) -> Words:
    """A record, study or note with odd values."""
    path = rng.choice(sorted((work / "runs").rglob("*.json")))
    value = json.loads(path.read_text())
    for _ in range(rng.randrange(1, 3)):
        value = changed(
            rng, value, lambda rng: nested(400) if rng.random() < 0.02 else rng.choice([*ODD_VALUES, odd(rng)])
        )
    path.write_text(json.dumps(value))
    return rng.choice(EVIDENCE_WORDS)


def predictions(rng: random.Random, work: Path) -> Words:
    """A table of predictions with odd columns."""
    import pandas as pd

    path = rng.choice(sorted((work / "runs").rglob("predictions.parquet")))
    frame = pd.read_parquet(path)
    name = rng.choice(list(frame))
    act = rng.random()
    if act < 0.2:
        frame = frame.drop(columns=name)
    elif act < 0.3:
        frame = frame.iloc[: rng.randrange(2)]
    elif act < 0.4:
        frame = pd.concat([frame] * rng.randrange(2, 2000), ignore_index=True)
    else:
        values = [None, -1, 0, 2, 1e300, float("nan"), "x", True, 2**62, b"x", 0.5]
        frame[name] = [rng.choice(values)] * len(frame)
    frame.to_parquet(path)
    return rng.choice(EVIDENCE_WORDS)


def trials(rng: random.Random, work: Path) -> Words:
    """A table of trials with odd cells, lines or bytes."""
    (path,) = (work / "runs").rglob("trials.csv")
    lines = [line.split(",") for line in path.read_text().splitlines()]
    for _ in range(rng.randrange(1, 3)):
        row = rng.choice(lines)
        if row:
            row[rng.randrange(len(row))] = odd(rng)
    if rng.random() < 0.3:
        lines.insert(rng.randrange(len(lines)), rng.choice([rng.choice(lines), [odd(rng)] * rng.choice([1, 9, 3000])]))
    write(path, "\n".join(",".join(row) for row in lines) + "\n")
    if rng.random() < 0.2:
        path.write_bytes(damaged(rng, path.read_bytes()))
    return ["tune", "show", "abmil-toy", *rng.choice([[], ["--fold", "r0f0"]])]


def arrays(rng: random.Random, work: Path) -> Words:
    """An ``.npz`` with odd arrays, or one that unpacks to much more than it is."""
    import numpy as np

    path = work / "toy" / "features.npz"
    with np.load(path, allow_pickle=False) as file:
        content: dict[str, Any] = dict(file)
    name = rng.choice(list(content))
    if rng.random() < 0.35:
        header = np.lib.format.magic(1, 0)
        shape = rng.choice(["(100000000, 4)", "(9223372036854775807,)", "(-1,)", "(4, 4)", "()", "(1, 'a')", "[1]"])
        kind = rng.choice(["<f4", "|O", "<f8", "<U1000", "|V8", "garbage"])
        text = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}".encode().ljust(117) + b"\n"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open(f"{name}.npy", "w") as member:
            member.write(header + len(text).to_bytes(2, "little") + text)
            for _ in range(rng.choice([0, 1, 200])):
                member.write(bytes(1 << 21))
        return rng.choice([["datasets", "verify", "./toy"], *DATASET_WORDS])
    content[name] = rng.choice(
        [
            content[name][:0],
            content[name][:3],
            content[name][None],
            content[name] * np.nan,
            content[name].astype("S"),
            content[name].astype(complex),
            content[name].astype("f2"),
            -content[name],
            np.array(3),
            np.zeros((30_000_000, 4), np.float64) if rng.random() < 0.2 else content[name][::-1],
            content[name].astype("M8[s]"),
        ]
    )
    if rng.random() < 0.2:
        del content[name]
    rng.choice([np.savez, np.savez_compressed])(path, **content)
    return rng.choice([["datasets", "verify", "./toy"], *DATASET_WORDS])


KINDS: dict[str, tuple[Case, int]] = {
    "card": (card, 20),
    "table": (table, 16),
    "file": (file_kind, 12),
    "settings": (settings, 14),
    "bomb": (bomb, 3),
    "option": (option, 14),
    "hyper-parameter": (hyper_parameter, 10),
    "evidence": (evidence, 14),
    "predictions": (predictions, 5),
    "trials": (trials, 4),
    "arrays": (arrays, 6),
}
"""What is drawn, and how often."""


def template(folder: Path) -> None:
    """A dataset and a runs folder, to be damaged."""
    from harness.results.store import RunStore
    from support.evidence import fill
    from support.toy import write_toy_dataset

    write_toy_dataset(folder / "toy")
    store = RunStore(folder / "runs")
    made = fill(store, study="abmil-toy-cv3-111111")
    fill(store, study="max_pool-toy-cv3-222222", method="max_pool", signal=0.3)
    store.write_failure("other", "it broke", study_id=made[0].study_id, spec=made[0].spec)
    row = {
        "fold": "r0f0",
        "trial": 0,
        "state": "complete",
        "auc": 0.9,
        "device_s": 1.0,
        "chosen": True,
        "param.lr": 1e-3,
    }
    store.write_trials(made[0].study_id, [{**row, "reason": ""}, {**row, "trial": 1, "chosen": False, "reason": ""}])
    plan = store.plan(made[0].study_id)
    space = [{"name": "lr", "low": 1e-4, "high": 1e-2, "log": True, "integer": False, "choices": None}]
    store.write_study(plan | {"config": {**plan["config"], "tuning": {"space": space}}})
