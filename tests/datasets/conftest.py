"""The small dataset of slides."""

from support.written import release, tiny, write

__all__ = ["release", "tiny", "write"]
