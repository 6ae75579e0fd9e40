from __future__ import annotations

import pytest

from harness.core.errors import DataError
from harness.datasets.card_file import read_card


def refusal(folder) -> DataError:
    with pytest.raises(DataError) as error:
        read_card(folder / "card.yaml")
    assert "\n" not in error.value.problem + error.value.place + error.value.fix
    return error.value


@pytest.mark.parametrize(
    ("fields", "field", "words"),
    [
        ({"title": ...}, "title", "lacks the field 'title'"),
        ({"description": "[" * 100_000}, "description", "20000"),
        ({"licens": "CC0"}, "licens", "did you mean 'licence'?"),
        ({"classes": ["one"]}, "classes", "at least 2"),
        ({"classes": [0, 1]}, "classes.0", "string"),
        ({"classes": ["a", "a"]}, "classes", "twice"),
        ({"name": "../tiny"}, "name", "pattern"),
        ({"default_protocol": "oficial"}, "default_protocol", "did you mean 'official'?"),
        ({"labels": "../labels.csv"}, "labels", "leads out of the dataset folder"),
        ({"labels": "/etc/passwd"}, "labels", "leads out of the dataset folder"),
        ({"source": {"kind": "slides", "layouts": {"a": ["images/*.tif"]}}}, "source.layouts.a", "{slide}"),
        ({"source": {"kind": "slides", "layouts": {"a": ["{slide}.tif"]}, "mpp": -1}}, "source.mpp", "greater than"),
        ({"source": {"kind": "slydes"}}, "source.kind", "'slides'"),
        ({"source": {"kind": "features", "file": "../x.npz", "dim": 2}}, "source.file", "leads out"),
        (
            {"protocols": {"official": {"title": "t", "splits": "s.csv", "select": "first"}}},
            "protocols.official.select",
            "'best', 'last' or 'test'",
        ),
    ],
)
def test_every_mistake_names_file_and_field(write, fields, field: str, words: str) -> None:
    error = refusal(write(card=fields))
    assert error.place.endswith(f"card.yaml, field {field}")
    assert words in f"{error.problem} {error.fix}"


@pytest.mark.parametrize("chosen", [{"select": "test"}, {"threshold": "test"}, {"select": "test", "threshold": "test"}])
def test_a_protocol_that_chooses_on_the_test_slides_is_never_ranked(write, chosen) -> None:
    leaky = {"title": "t", "splits": "s.csv", **chosen}
    error = refusal(write(card={"protocols": {"official": leaky}}))
    assert error.place.endswith("card.yaml, field protocols.official.ranked")
    assert " and ".join(chosen) in error.problem
    assert "ranked: false" in error.fix
    card = read_card(write(card={"protocols": {"official": leaky | {"ranked": False}}}) / "card.yaml")
    assert card.protocols["official"].on_test == tuple(chosen)


def test_further_mistakes_are_named_too(write) -> None:
    error = refusal(write(card={"title": ..., "licence": ..., "get": ...}))
    assert "also see" in error.fix
    assert "licence" in error.fix


def test_bad_yaml_names_the_line(write) -> None:
    folder = write()
    (folder / "card.yaml").write_text("name: tiny\ntitle: a: b\n", encoding="utf-8")
    error = refusal(folder)
    assert "not valid YAML" in error.problem
    assert error.place.endswith("line 2")


@pytest.mark.parametrize("text", ["", "just words", "- a\n- b\n", "\x00"])
def test_a_card_without_fields(write, text: str) -> None:
    folder = write()
    (folder / "card.yaml").write_text(text, encoding="utf-8")
    refusal(folder)


def test_yaml_tags_run_nothing(write) -> None:
    folder = write()
    (folder / "card.yaml").write_text("name: !!python/object/apply:os.system ['true']\n", encoding="utf-8")
    assert "not valid YAML" in refusal(folder).problem
