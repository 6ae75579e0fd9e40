"""CLAM with one attention branch per class."""

from __future__ import annotations

from dataclasses import replace

from methods.clam_sb import CLAMSB


class CLAMMB(CLAMSB):
    """One attention branch and one slide vector per class."""

    card = replace(CLAMSB.card, name="clam_mb", title="CLAM, multi-branch")
    multi_branch = True
