"""The two public modules: few names in the first, all of them there, none in both."""

from __future__ import annotations

import harness
from harness import api


def test_every_public_name_is_there_and_stands_in_one_module() -> None:
    assert len(harness.__all__) <= 35
    assert not set(harness.__all__) & set(api.__all__)
    for module in (harness, api):
        assert sorted(module.__all__) == sorted(module._LAZY)
        assert all(hasattr(module, name) for name in module.__all__)


def test_names_of_the_second_module_are_found_where_they_were_before() -> None:
    assert all(getattr(harness, name) is getattr(api, name) for name in api.__all__)
