"""ICMIL: bag classifier and tile embedder teach each other in turns."""

from __future__ import annotations

from methods.icmil.method import ICMIL

__all__ = ["ICMIL"]
