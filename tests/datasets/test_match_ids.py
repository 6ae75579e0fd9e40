from __future__ import annotations

from harness.datasets.match_ids import join, offers

UUID = "f6e9a5df-d8fb-45cf-b4bd-c6b76294c291"
SLIDES = [f"TCGA-AA-000{n}-01Z-00-DX1.{UUID}" for n in range(4)]


def test_equal_ids_alone_match() -> None:
    found = join(["S1", "s2", "S3"], ["S1", "S2", "S3_patches", "S30"])
    assert found.files == {"S1": ("S1",)}
    assert found.missing == ("s2", "S3")
    assert found.extra == ("S2", "S3_patches", "S30")


def test_rules_are_offered_and_not_applied() -> None:
    assert next(offers(["s1", "s2"], ["S1", "S2"], ())) == (("case",), 2)
    assert next(offers(["S1"], ["S1_patches"], ())) == (("patches",), 1)
    assert next(offers(["S1.qptiff"], ["S1"], ())) == (("extension",), 1)
    assert list(offers(["S1"], ["S1"], ())) == []
    assert join(["s1"], ["S1_patches"], ("case", "patches")).files == {"s1": ("S1_patches",)}


def test_a_name_within_another_never_matches() -> None:
    rules = ("case", "extension", "patches", "barcode")
    assert not join(["S1", "S0"], ["S10", "xS1", "S0.2"], rules).files
    assert not join(["TCGA-AA-000"], ["TCGA-AA-0001-01Z-00-DX1"], rules).files


def test_barcodes_of_slides_and_of_patients() -> None:
    assert not join(["TCGA-AA-0001-01Z-00-DX1"], SLIDES).files
    found = join(["TCGA-AA-0001-01Z-00-DX1", "TCGA-AA-0002"], SLIDES, ("barcode",))
    assert found.files == {"TCGA-AA-0001-01Z-00-DX1": (SLIDES[1],), "TCGA-AA-0002": (SLIDES[2],)}
    second = SLIDES[1].replace("DX1", "DX2")
    patient = join(["TCGA-AA-0001"], [*SLIDES, second], ("barcode",))
    assert patient.files == {"TCGA-AA-0001": (SLIDES[1], second)}


def test_what_matches_in_two_ways_matches_in_none() -> None:
    twice = [SLIDES[0], SLIDES[0].replace(UUID, UUID[::-1])]
    assert set(join(["TCGA-AA-0000-01Z-00-DX1"], twice, ("barcode",)).ambiguous) == {"TCGA-AA-0000-01Z-00-DX1"}
    assert set(join(["s1", "S1_patches"], ["S1"], ("case", "patches")).ambiguous) == {"s1", "S1_patches"}


def test_zeros_before_a_number_are_ignored_by_a_rule_that_is_offered() -> None:
    labels, files = ["1", "20", "P1"], ["001", "020", "P001"]
    assert join(labels, files).files == {}
    assert list(offers(labels, files, ())) == [(("zeros",), 2)]
    assert join(labels, files, ("zeros",)).files == {"1": ("001",), "20": ("020",)}
    assert join(["1"], ["1", "01"], ("zeros",)).files == {"1": ("1",)}, "an equal id comes first"
    assert join(["01"], ["1", "001"], ("zeros",)).ambiguous == {"01": ("1", "001")}
