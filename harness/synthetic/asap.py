"""Writing lesion outlines as ASAP writes them (the XML of CAMELYON16)."""

from __future__ import annotations

from collections.abc import Sequence

from harness.synthetic.anatomy import Polygon

TRAINING_GROUPS = ("_0", "_2")
"""Groups of lesions and of normal tissue inside them, as in CAMELYON16's training annotations."""

TEST_GROUPS = ("Tumor", "Exclusion")
"""The same in its test annotations."""


def asap_xml(
    lesions: Sequence[Polygon], spared: Sequence[Polygon], *, mpp: float, groups: tuple[str, str] = TRAINING_GROUPS
) -> str:
    """The text of an annotation file.

    Args:
        lesions, spared: outlines (n, 2) as (x, y) in microns.
        mpp: microns per level-0 pixel: the file holds pixels.
        groups: names of the two groups.
    """
    lines = ['<?xml version="1.0"?>', "<ASAP_Annotations>", "\t<Annotations>"]
    named = [(groups[0], outline) for outline in lesions] + [(groups[1], outline) for outline in spared]
    for number, (group, outline) in enumerate(named):
        lines.append(
            f'\t\t<Annotation Name="Annotation {number}" Type="Polygon" PartOfGroup="{group}" Color="#F4FA58">'
        )
        lines.append("\t\t\t<Coordinates>")
        lines += [
            f'\t\t\t\t<Coordinate Order="{order}" X="{x:.4f}" Y="{y:.4f}" />'
            for order, (x, y) in enumerate((outline / mpp).tolist())
        ]
        lines += ["\t\t\t</Coordinates>", "\t\t</Annotation>"]
    lines += ["\t</Annotations>", "\t<AnnotationGroups>"]
    for group in groups:
        lines.append(f'\t\t<Group Name="{group}" PartOfGroup="None" Color="#64FE2E"><Attributes /></Group>')
    lines += ["\t</AnnotationGroups>", "</ASAP_Annotations>", ""]
    return "\n".join(lines)
