"""Reports that go with ``camelyon16-mini``: what a pathologist would dictate about each drawn slide, in words."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

import numpy as np

from harness.core.seeds import derive_seed
from harness.synthetic.mini import MiniSettings, MiniSlide, plan

_SPECIMEN = (
    "Sentinel lymph node, one H&E section.",
    "Section of an axillary sentinel lymph node.",
    "One lymph node received, sectioned and stained with haematoxylin and eosin.",
    "Microscopy of a sentinel node from the axilla.",
)
_TISSUE = (
    "Lymphoid tissue with follicles and open sinuses, surrounded by fat.",
    "The node has a thin capsule, cortical follicles and sinuses with histiocytes.",
    "Cortex with scattered germinal centres; small vessels and fibrous trabeculae.",
    "Follicular pattern with pale germinal centres and occasional large blasts.",
)
_NORMAL = (
    "Architecture is preserved throughout; lymphocytes are small and round. No atypical epithelial cells.",
    "No malignant cells are found in cortex, sinuses or fat. The pattern is reactive.",
    "Sinuses hold histiocytes only. There is no evidence of carcinoma.",
    "Reactive follicular hyperplasia without atypia; nothing foreign to the node.",
)
_MACRO = (
    "A large deposit of carcinoma replaces part of the node: sheets of cells with enlarged, pleomorphic nuclei.",
    "Extensive infiltration by atypical epithelial cells with coarse chromatin and crowded, irregular nuclei.",
    "Macrometastasis with solid nests of tumour cells and desmoplastic stroma; nuclei are large and vary in shape.",
    "Broad sheets of malignant cells efface the lymphoid tissue; chromatin is clumped, nucleoli are prominent.",
)
_MICRO = (
    "A small cluster of atypical epithelial cells with enlarged nuclei, below two millimetres.",
    "Micrometastasis: a minute nest of carcinoma cells in otherwise preserved lymphoid tissue.",
    "A single tiny focus of malignant cells with large irregular nuclei; the rest of the node is unremarkable.",
    "Focal deposit of few tumour cells with coarse chromatin, visible at high power only.",
)
_DIAGNOSIS = {
    None: ("Diagnosis: node free of tumour.", "Negative for metastasis.", "Conclusion: reactive lymph node."),
    "macro": (
        "Diagnosis: metastatic carcinoma.",
        "Positive for metastasis, large.",
        "Conclusion: macrometastasis of a carcinoma.",
    ),
    "micro": (
        "Diagnosis: micrometastasis of a carcinoma.",
        "Positive for metastasis, small.",
        "Conclusion: metastatic carcinoma, minimal extent.",
    ),
}
_FINDINGS = {None: _NORMAL, "macro": _MACRO, "micro": _MICRO}


def report_of(slide: MiniSlide, settings: MiniSettings) -> str:
    """The report of one slide: specimen, tissue, findings and diagnosis, each in one of several wordings.

    Wordings are a function of the seed and the slide's name; what they say is what is drawn. **A report holds the
    diagnosis**, as real ones do.
    """
    rng = np.random.default_rng(derive_seed("camelyon16-mini reports", settings.seed, slide.name))
    parts = (_SPECIMEN, _TISSUE, _FINDINGS[slide.metastasis], _DIAGNOSIS[slide.metastasis])
    return " ".join(_pick(rng, wordings) for wordings in parts)


def reports_csv(settings: MiniSettings) -> str:
    """The table of reports that goes with the drawing, as text: ``slide, report``."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("slide", "report"))
    writer.writerows((slide.name, report_of(slide, settings)) for slide in plan(settings))
    return text.getvalue()


def _pick(rng: np.random.Generator, wordings: Sequence[str]) -> str:
    return wordings[int(rng.integers(len(wordings)))]
