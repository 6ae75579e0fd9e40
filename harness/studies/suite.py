"""A suite: the options of several studies, from lists of methods, datasets, encoders and presets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

from harness.core.errors import UsageError, shown
from harness.core.options import flag, word
from harness.core.suggest import unknown
from harness.studies.config import COMMAND_LINE

AXES = ("dataset", "method", "encoder", "preset")
"""Options of which a suite takes several values, those first by which its table is ordered."""
NAMES = ("exclude", "include")
"""What a file says of a suite beside options."""

_ENCODER = "input.encoder"


def combinations(options: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The options of every study: all combinations of the values, less those excluded, and those included.

    Args:
        options: as of one study; ``method``, ``dataset``, ``encoder`` and ``preset`` may be lists, or words with
            commas. ``exclude`` lists combinations to leave out, each a mapping with some of these; ``include`` lists
            further studies, each a mapping of options over the others. What the command line names wins over both.

    Raises:
        UsageError: an exclusion that fits nothing, a name that is none, or nothing is left.
    """
    values = {axis: _values(options, axis) for axis in AXES}
    given = {axis: found for axis, found in values.items() if found}
    every = [dict(zip(given, chosen, strict=True)) for chosen in product(*given.values())]
    exclude, include = (_mappings(options, name) for name in NAMES)
    kept = [one for one in every if not any(_fits(one, rule) for rule in exclude)]
    typed = {axis: found for axis, found in given.items() if options.get("origins", {}).get(axis) == COMMAND_LINE}
    include = [rule for rule in include if all(rule.get(axis, found[0]) in found for axis, found in typed.items())]
    for rule in exclude:
        if not any(_fits(one, rule) for one in every) and not set(rule) & set(typed):
            raise UsageError(
                f"the exclusion {shown(dict(rule))} fits no combination", place="exclude", fix="correct or remove it"
            )
    base = {name: value for name, value in options.items() if name not in NAMES}
    if include and not ("method" in given and "dataset" in given):
        kept = []  # the file lists its studies one by one
    found = [_with(base, one) for one in kept]
    single = {axis: words[0] for axis, words in given.items() if len(words) == 1}
    found += [_included(_with(base, single), rule, several=set(given) - set(single)) for rule in include]
    if not found:
        raise UsageError("every combination is excluded", place="exclude", fix="leave one in")
    return found


def name_of(options: Mapping[str, Any]) -> str:
    """A study of a suite in words, for errors."""
    more = [options["set"].get(_ENCODER), options.get("preset")]
    extra = ", ".join(str(one) for one in more if one)
    return f"{options.get('method')} on {options.get('dataset')}{f' ({extra})' if extra else ''}"


def _values(options: Mapping[str, Any], axis: str) -> tuple[str, ...]:
    value = options["set"].get(_ENCODER) if axis == "encoder" else options.get(axis)
    if value is None:
        return ()
    texts = value if isinstance(value, list | tuple) else _parts(value, axis)
    found = tuple(dict.fromkeys(word(one.strip() if isinstance(one, str) else one, flag(axis)) for one in texts))
    if not found:
        raise UsageError("no name is given", place=flag(axis), fix=f"give {flag(axis)} one, or several with commas")
    return found


def _parts(value: Any, axis: str) -> list[Any]:
    """The words between commas; a path may have commas of its own."""
    path = isinstance(value, str) and (Path(value).exists() if axis == "dataset" else value.startswith("file:"))
    return value.split(",") if isinstance(value, str) and not path else [value]


def _mappings(options: Mapping[str, Any], name: str) -> Sequence[Mapping[str, Any]]:
    """The entries of ``exclude`` or ``include``, checked."""
    value = options.get(name) or []
    if not isinstance(value, list) or not all(isinstance(one, Mapping) and one for one in value):
        raise UsageError(
            f"`{name}` is no list of combinations", place=name, fix=f"write {name}: [{{method: transmil, dataset: b}}]"
        )
    for rule in value if name == "exclude" else ():
        for axis in rule:
            if axis not in AXES:
                raise unknown("name in an exclusion", str(axis), AXES, place=name, listing="docs/suites.md")
    return value


def _fits(one: Mapping[str, str], rule: Mapping[str, Any]) -> bool:
    """Whether a combination has all that an exclusion names."""
    return all(one.get(axis) in (value if isinstance(value, list) else [value]) for axis, value in rule.items())


def _with(options: Mapping[str, Any], chosen: Mapping[str, Any]) -> dict[str, Any]:
    """The options with the values of one combination."""
    found = {**options, **chosen, "set": dict(options["set"])}
    if "encoder" in chosen:
        found["set"][_ENCODER] = chosen["encoder"]
    return found


def _included(base: Mapping[str, Any], rule: Mapping[str, Any], *, several: set[str]) -> dict[str, Any]:
    """A study that is included: its own options over those that all have; of lists nothing is taken over."""
    more = {name.replace("-", "_"): value for name, value in rule.items() if name != "set"}
    own = rule.get("set", {})
    if not isinstance(own, Mapping):
        raise UsageError("`set` is not a mapping", place="include", fix="write set: {lr: 1e-3}")
    left = {name: value for name, value in base.items() if name not in several}
    found = _with(left, more)
    if "encoder" in several and "encoder" not in more:
        found["set"].pop(_ENCODER, None)
    found["set"] |= {str(name): value for name, value in own.items()}
    return found
