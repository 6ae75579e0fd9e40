"""Options that say what tissue is, in place of the card's settings."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

TissueMeasure = Annotated[
    Literal["colour", "brightness", "auto"] | None,
    typer.Option(help="What tells tissue from background (default: the card's, or colour)."),
]
TissueThreshold = Annotated[
    float | None, typer.Option(help="From which value of the measure, of 255, a pixel is tissue (default: found).")
]
TissueBackground = Annotated[
    Literal["white", "black"] | None, typer.Option(help="Colour of the background (default: the card's, or white).")
]
TissuePen = Annotated[
    Literal["leave_out", "keep"] | None,
    typer.Option(help="What becomes of marks that look like ink (default: the card's, or leave_out)."),
]
TissueFraction = Annotated[
    float | None, typer.Option(help="Least share of tissue in a tile (default: the card's, or 0.25).")
]
TissueArea = Annotated[
    float | None, typer.Option(help="Least area of a piece of tissue in mm² (default: the card's, or 0.01).")
]
