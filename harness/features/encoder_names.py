"""Names of tile encoders as tools spell them, and the widths of their features.

One name means several embeddings: with or without the mean of the patch tokens, projected or not, original or other
weights. A name here pins what decides that, as ``virchow2@cls+mean``. Sources: the registries of TRIDENT (a91fa84),
STAMP (c54ce06), slide2vec (6cfa6bf), eva (73b61a7) and LazySlide (2dbdc42), and the encoders' own pages.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass

UNKNOWN = "unknown"


@dataclass(frozen=True)
class KnownEncoder:
    """An encoder's name.

    Attributes:
        name: canonical name.
        width: columns of its features.
        spellings: what tools call it, without letter case and separators.
        note: what tells it from others of nearly the same name.
    """

    name: str
    width: int
    spellings: tuple[str, ...]
    note: str = ""


_CLS, _MEAN = "the class token alone", "the class token and the mean of the patch tokens"
KNOWN = (
    KnownEncoder("uni_v1", 1024, ("uni", "univ1", "mahmooduni")),
    KnownEncoder("uni_v2", 1536, ("uni2", "uni2h", "univ2", "mahmooduni2h")),
    KnownEncoder("conch_v1", 512, ("conch", "conchv1")),
    KnownEncoder("conch_v15", 768, ("conchv15", "conch15", "conchv1.5")),
    KnownEncoder("virchow@cls", 1280, ("virchow",), _CLS),
    KnownEncoder("virchow@cls+mean", 2560, ("virchow", "virchowfull"), _MEAN),
    KnownEncoder("virchow2@cls", 1280, ("virchow2", "paigevirchow2"), _CLS),
    KnownEncoder("virchow2@cls+mean", 2560, ("virchow2",), _MEAN),
    KnownEncoder("phikon", 768, ("phikon", "phikonv1", "owkinphikon")),
    KnownEncoder("phikon_v2", 1024, ("phikonv2", "owkinphikonv2")),
    KnownEncoder("gigapath", 1536, ("gigapath", "provgigapath", "gigap")),
    KnownEncoder("hoptimus0", 1536, ("hoptimus0", "bioptimushoptimus0")),
    KnownEncoder("hoptimus1", 1536, ("hoptimus1",)),
    KnownEncoder("h0_mini@cls", 768, ("h0mini", "bioptimush0mini"), _CLS),
    KnownEncoder("h0_mini@cls+mean", 1536, ("h0mini",), _MEAN),
    KnownEncoder("musk@1024", 1024, ("musk",), "a single scale"),
    KnownEncoder("musk@2048", 2048, ("musk",), "several scales"),
    KnownEncoder("midnight12k@cls", 1536, ("midnight12k", "midnight", "kaikomidnight12k"), _CLS),
    KnownEncoder("midnight12k@cls+mean", 3072, ("midnight12k", "midnight"), _MEAN),
    KnownEncoder("openmidnight", 1536, ("openmidnight",)),
    KnownEncoder("gpfm", 1024, ("gpfm", "hkustgpfm")),
    KnownEncoder("genbio_pathfm", 4608, ("genbiopathfm",)),
    KnownEncoder("keep", 768, ("keep",)),
    KnownEncoder("mstar", 1024, ("mstar",)),
    KnownEncoder("plip", 512, ("plip",)),
    KnownEncoder("hibou_b", 768, ("hiboub", "histaihiboub")),
    KnownEncoder("hibou_l", 1024, ("hiboul", "histaihiboul")),
    KnownEncoder("kaiko_vits8", 384, ("kaikovits8",)),
    KnownEncoder("kaiko_vits16", 384, ("kaikovits16",)),
    KnownEncoder("kaiko_vitb8", 768, ("kaikovitb8",)),
    KnownEncoder("kaiko_vitb16", 768, ("kaikovitb16",)),
    KnownEncoder("kaiko_vitl14", 1024, ("kaikovitl14",)),
    KnownEncoder("lunit_vits8", 384, ("lunitvits8",)),
    KnownEncoder("lunit_vits16", 384, ("lunit", "lunitvits16")),
    KnownEncoder("ctranspath@chief", 768, ("chiefctranspath", "chief"), "CHIEF's weights"),
    KnownEncoder("ctranspath", 768, ("ctranspath",), "TRIDENT's ctranspath has CHIEF's weights"),
    KnownEncoder("resnet50@layer3", 1024, ("resnet50", "r50"), "the third stage"),
    KnownEncoder("resnet50@pool", 2048, ("resnet50",), "the last stage"),
    KnownEncoder("path_foundation", 384, ("pathfoundation",)),
    KnownEncoder("prost40m", 384, ("prost40m",)),
)


def _key(name: str) -> str:
    return re.sub(r"[\s_.\-/]", "", name.casefold())


@functools.cache
def variants(name: str) -> tuple[KnownEncoder, ...]:
    """What a name may stand for; nothing for one that is not known here."""
    key = _key(name)
    exact = tuple(one for one in KNOWN if _key(one.name) == key)
    return exact or tuple(one for one in KNOWN if key in one.spellings)


def canonical(name: str, width: int | None = None) -> str:
    """One name for all spellings; with the width of the features, the variant that it pins.

    A name that is not known here stays as it is.
    """
    found = variants(name)
    if width is not None:
        found = tuple(one for one in found if one.width == width) or found
    if len(found) == 1:
        return found[0].name
    return found[0].name.partition("@")[0] if found else name


def same(one: str, other: str) -> bool:
    """Whether two names may mean the same features: the same encoder, and no two different variants."""
    here, there = variants(one), variants(other)
    return bool(set(here) & set(there)) if here and there else _key(one) == _key(other)


def width_problem(name: str, width: int) -> str:
    """What is wrong where features of encoder ``name`` have ``width`` columns; empty where nothing is known to be."""
    found = variants(name)
    if not found or width in {one.width for one in found}:
        return ""
    right = " or ".join(f"{one.width}" for one in found)
    problem = f"features of {name} have {right} columns, these have {width}"
    # The names of one encoder's variants differ behind the @.
    stem = found[0].name.partition("@")[0]
    family = [one for one in KNOWN if one.name.partition("@")[0] == stem and one.width == width]
    if family:
        return f"{problem}: the width of {family[0].name} ({family[0].note})"
    for one in found:
        if width == one.width + 3:
            return f"{problem}: three leading columns look like Owkin's tile addresses"
        if 0 < width - one.width <= 16:
            return f"{problem}: {width - one.width} more, as where DSMIL appends one-hot labels behind the features"
        if width == 2 * one.width:
            return f"{problem}: twice as many, as where the mean of the patch tokens is appended to the class token"
        if 2 * width == one.width:
            return f"{problem}: half as many, as with the class token alone"
    return problem
