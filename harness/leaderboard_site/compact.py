"""A page in fewer bytes that makes the same tree: without the quotes and end tags that HTML lets one leave out."""

from __future__ import annotations

import re

_TAG = re.compile(r"<([a-zA-Z][\w]*)((?:\s+[\w:-]+(?:=\"[^\"]*\")?)*)(\s*/?)>")
_QUOTED = re.compile(r"=\"([^\s\"'=<>`]+)\"(?=(\s|$))")
_IMPLIED = re.compile(r"\s*</(?:td|th|tr|tbody|thead|dt|dd|li|option)>")
"""End tags that the next start tag, or the end of what they stand in, implies (HTML standard, "Optional tags")."""


def compact(page: str) -> str:
    """The page without optional quotes and end tags.

    Args:
        page: HTML whose text is escaped, so that each ``<`` begins a tag; between an optional end tag and the next tag
            is white space only.
    """
    return _TAG.sub(_tag, _IMPLIED.sub("", page))


def _tag(match: re.Match[str]) -> str:
    name, attributes, end = match[1], match[2], match[3].strip()
    last = len(attributes)

    def unquoted(found: re.Match[str]) -> str:
        # The slash of <path d="M0 0" r=2/> would belong to the number.
        return found[0] if end and found.end() == last else f"={found[1]}"

    return f"<{name}{_QUOTED.sub(unquoted, attributes)}{end}>"
