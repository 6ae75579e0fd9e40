"""Attention-based deep MIL with gated attention."""

from __future__ import annotations

from dataclasses import replace

from methods.abmil import ABMIL


class GatedABMIL(ABMIL):
    """Attention pooling with a sigmoid gate (Ilse et al. 2018, equation 9)."""

    card = replace(ABMIL.card, name="gated_abmil", title="Attention-based deep MIL, gated")
    gated = True
