"""One declaration of a hyper-parameter gives its default, check, type and search space."""

from __future__ import annotations

import dataclasses
import json
import math
from typing import Optional

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import Params, UsageError, fixed, redeclared, tunable
from harness.core.hashing import canonical_json


class Example(Params):
    lr: float = tunable(2e-4, low=1e-5, high=1e-3, log=True, source="paper", help="learning rate")
    width: int = tunable(128, choices=(64, 128, 256))
    gated: bool = fixed(False)
    clip: float | None = fixed(None)
    patience: Optional[int] = fixed(None)  # noqa: UP045 - both spellings are in use
    kind: str = fixed("adam", choices=("adam", "sgd"))
    sizes: tuple[int, ...] = fixed((8, 8))


class Child(Example):
    lr: float = tunable(1e-3, low=1e-4, high=1e-2, log=True)
    depth: int = fixed(2)

    def check(self, place: str) -> None:
        if self.depth < 1:
            raise UsageError("depth must be at least 1", place=place, fix="--set depth=1")


def build(**values):
    return Example.build(values, place="--set")


def test_nothing_given_is_the_defaults():
    assert build() == Example()
    assert Example().as_dict() == {
        "lr": 2e-4,
        "width": 128,
        "gated": False,
        "clip": None,
        "patience": None,
        "kind": "adam",
        "sizes": (8, 8),
    }


def test_params_are_frozen_and_keyword_only():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Example().lr = 1.0
    with pytest.raises(TypeError):
        Example(1e-3)


def test_a_subclass_adds_and_redeclares_fields_and_leaves_its_parent_alone():
    assert Child().lr == 1e-3
    assert Example().lr == 2e-4
    assert list(Child.describe()) == [*Example.describe(), "depth"]
    assert Child.describe()["lr"][1].high == 1e-2


def test_describe_gives_type_range_and_default_in_order():
    described = Example.describe()
    assert list(described) == ["lr", "width", "gated", "clip", "patience", "kind", "sizes"]
    hint, field, default = described["lr"]
    assert (hint, default) == (float, 2e-4)
    assert (field.low, field.high, field.log, field.tuned, field.source) == (1e-5, 1e-3, True, True, "paper")
    assert not described["gated"][1].tuned


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("lr", "1e-3", 1e-3),
        ("lr", 1, 1.0),
        ("width", "256", 256),
        ("width", 64.0, 64),
        ("gated", "yes", True),
        ("gated", 0, False),
        ("clip", "none", None),
        ("clip", None, None),
        ("clip", "0.5", 0.5),
        ("patience", "3", 3),
        ("patience", "1e1", 10),
        ("kind", "sgd", "sgd"),
        ("sizes", [1, "2"], (1, 2)),
        ("sizes", 5, (5,)),
    ],
)
def test_text_becomes_the_annotated_type(name, text, value):
    result = getattr(build(**{name: text}), name)
    assert result == value
    assert type(result) is type(value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("lr", "fast"),
        ("lr", "nan"),
        ("lr", "inf"),
        ("lr", True),
        ("lr", None),
        ("lr", [1]),
        ("width", "64.5"),
        ("width", 1e400),
        ("gated", "maybe"),
        ("gated", 2),
        ("patience", "soon"),
        ("kind", 3),
        ("sizes", ["a"]),
    ],
)
def test_a_wrong_value_is_refused_and_names_its_field(name, value):
    with pytest.raises(UsageError) as caught:
        build(**{name: value})
    assert caught.value.place == f"--set: {name}"
    assert "type" in caught.value.fix


def test_a_misspelt_name_is_answered_with_the_nearest():
    with pytest.raises(UsageError, match="unknown hyper-parameter 'widht'") as caught:
        build(widht=64)
    assert "'width'" in caught.value.fix


def test_a_value_outside_the_choices_names_them():
    with pytest.raises(UsageError) as caught:
        build(kind="adamw")
    assert "'adam'" in caught.value.fix


def test_rules_of_a_subclass_are_applied():
    with pytest.raises(UsageError, match="at least 1"):
        Child.build({"depth": 0}, place="--set")


@pytest.mark.parametrize("arguments", [{}, {"low": 1.0}, {"low": 0.0, "high": 1.0, "choices": (1, 2)}])
def test_tunable_wants_a_range_or_choices(arguments):
    with pytest.raises(TypeError):
        tunable(1.0, **arguments)


@given(
    lr=st.floats(allow_nan=False, allow_infinity=False),
    width=st.sampled_from([64, 128, 256]),
    clip=st.none() | st.floats(0, 100),
    sizes=st.lists(st.integers(-(2**40), 2**40), max_size=4),
)
def test_values_survive_json_and_the_command_line(lr, width, clip, sizes):
    params = build(lr=lr, width=width, clip=clip, sizes=sizes)
    assert Example.build(json.loads(canonical_json(params.as_dict())), place="record") == params
    texts = {key: str(value) for key, value in params.as_dict().items() if key != "sizes"}
    assert Example.build(texts | {"sizes": list(params.sizes)}, place="--set") == params


@given(st.one_of(st.text(), st.floats(), st.integers(), st.none(), st.booleans(), st.lists(st.integers())))
def test_any_value_is_either_accepted_as_a_finite_number_or_refused(value):
    try:
        params = build(lr=value)
    except UsageError:
        return
    assert isinstance(params.lr, float)
    assert math.isfinite(params.lr)


def test_choices_of_a_tuned_number_are_a_search_space_not_a_bound():
    class Searched(Params):
        width: int = tunable(64, choices=(64, 128))
        norm: str = tunable("ln", choices=("ln", "none"))

    assert Searched.build({"width": "96"}, place="test").width == 96
    with pytest.raises(UsageError, match="unknown value 'bn'"):
        Searched.build({"norm": "bn"}, place="test")


def test_a_redeclared_field_keeps_all_but_its_default():
    class Other(Example):
        lr: float = redeclared(Example, "lr", 3e-4, source="code")
        kind: str = redeclared(Example, "kind", "sgd", help="which optimiser")

    known, described = Example.describe(), Other.describe()
    assert list(described) == list(known)
    assert (Other().lr, Other().kind) == (3e-4, "sgd")
    assert described["lr"][1] == dataclasses.replace(known["lr"][1], source="code")
    assert described["kind"][1] == dataclasses.replace(known["kind"][1], help="which optimiser")
    with pytest.raises(UsageError, match="unknown value"):
        Other.build({"kind": "sdg"}, place="--set")


class Limited(Params):
    lr: float = tunable(1e-3, low=1e-4, high=1e-2, gt=0)
    share: float | None = fixed(None, ge=0, lt=1)
    betas: tuple[float, ...] = fixed((0.9,), ge=0, lt=1)
    epochs: int = fixed(3, ge=1)
    depth: int = 2


class Narrower(Limited):
    lr: float = tunable(1e-3, low=1e-3, high=1e-1)
    epochs: int = redeclared(Limited, "epochs", 5)
    share: float | None = fixed(0.5, le=1)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("lr", 0, "above 0"),
        ("lr", -1e-3, "above 0"),
        ("share", 1, "at least 0 and below 1"),
        ("share", "-0.1", "at least 0"),
        ("betas", [0.9, 1.5], "below 1"),
        ("epochs", 0, "at least 1"),
    ],
)
def test_a_value_beyond_the_limits_is_refused(name: str, value: object, words: str) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        Limited.build({name: value}, place="--set")
    assert caught.value.place == f"--set: {name}"


def test_values_at_the_limits_are_taken() -> None:
    built = Limited.build({"share": 0, "betas": [0, 0.999], "epochs": 1, "lr": 5.0, "depth": -1}, place="--set")
    assert (built.share, built.betas, built.epochs, built.lr, built.depth) == (0.0, (0.0, 0.999), 1, 5.0, -1)
    assert Limited.build({"share": None}, place="--set").share is None


def test_limits_are_inherited_unless_others_are_declared() -> None:
    for name, value in (("lr", 0), ("epochs", 0)):
        with pytest.raises(UsageError):
            Narrower.build({name: value}, place="--set")
    assert Narrower.build({"share": 1}, place="--set").share == 1
    assert Narrower.build({"share": -1}, place="--set").share == -1


def test_a_search_range_lies_within_the_limits() -> None:
    with pytest.raises(TypeError, match="above 0"):
        tunable(1e-3, low=0.0, high=1.0, gt=0)
    with pytest.raises(TypeError, match="at most 8"):
        tunable(4, choices=(4, 16), le=8)


NO_NUMBERS = {
    "separator": "1_000",
    "hexadecimal": "0x10",
    "full width": "１０",
    "cut short": "1e",
    "empty": "",
    "space": " ",
    "signs": "--1",
    "time": "1:30",
    "long text": "9" * 5000,
    "long": -(10**5000),
    "overflow": "1e400",
    "infinity": float("inf"),
    "words": "infinity",
    "bytes": b"1",
    "nested": [[1]],
    "mapping": {"a": 1},
    "more than 64 bits": 2**63,
}


@pytest.mark.parametrize("value", NO_NUMBERS.values(), ids=NO_NUMBERS)
@pytest.mark.parametrize("name", ["width", "lr", "patience"])
def test_what_is_no_decimal_number_of_64_bits_is_refused_in_few_words(name: str, value: object) -> None:
    with pytest.raises(UsageError) as caught:
        build(**{name: value})
    assert len(str(caught.value)) < 500


def test_large_whole_numbers_keep_every_digit() -> None:
    assert build(width="9007199254740993").width == 9007199254740993
    assert build(width="0010").width == 10
