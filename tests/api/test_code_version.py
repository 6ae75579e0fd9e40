"""A declared version is a method's own; the hash of its source changes with the source, and with nothing else."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from support.plugins import load_plugin

from harness import MethodError
from harness.api import code_version
from harness.api.code_version import method_version, source_sha256
from harness.api.registry import find_method, list_methods
from harness.plugins.version import class_sources

METHOD = """
{imports}
from harness import Method, MethodCard

class Example(Method):
    card = MethodCard(name="example", title="A test method", paper="none")
    def stages(self, train, val, run):
        yield from ()
    def predict(self, bags, run):
        from {package}.late import VALUE
        return VALUE
"""


def package(folder: Path, name: str, **changes: str) -> type:
    """A package of five modules below ``folder``; two of them have nothing to do with the method."""
    root = folder / name
    root.mkdir(parents=True)
    imports = "from . import near\nimport math"
    files = {
        "__init__": "",
        "method": METHOD.format(imports=imports, package=name),
        "near": f"from {name}.far import far",
        "far": "def far(): return 1",
        "late": "VALUE = 1",
        "unrelated": "VALUE = 2",
    }
    for module, text in (files | changes).items():
        (root / f"{module}.py").write_text(text)
    sys.path.insert(0, str(folder))
    try:
        (cls,) = load_plugin(f"{name}.method")
    finally:
        sys.path.remove(str(folder))
        for module in [module for module in sys.modules if module.partition(".")[0] == name and module != name]:
            if module != f"{name}.method":
                del sys.modules[module]
    return cls


@pytest.fixture(autouse=True)
def forget():
    yield
    for name in [name for name in sys.modules if name.startswith("versioned_")]:
        del sys.modules[name]


def test_it_covers_what_the_method_takes_from_its_own_package(tmp_path):
    cls = package(tmp_path, "versioned_a")
    assert list(class_sources(cls)) == ["__init__.py"] + [f"versioned_a.{m}" for m in ("far", "late", "method", "near")]


def test_the_same_source_elsewhere_has_the_same_version(tmp_path):
    first = source_sha256(package(tmp_path / "one", "versioned_b"))
    for name in [name for name in sys.modules if name.startswith("versioned_b")]:
        del sys.modules[name]
    second = source_sha256(package(tmp_path / "two", "versioned_b"))
    assert first == second
    assert len(first) == 64


@pytest.mark.parametrize(("module", "same"), [("far", False), ("late", False), ("unrelated", True)])
def test_a_change_counts_where_the_method_can_reach_it(tmp_path, module, same):
    first = source_sha256(package(tmp_path / "one", "versioned_c"))
    for name in [name for name in sys.modules if name.startswith("versioned_c")]:
        del sys.modules[name]
    text = {"far": "def far(): return 2", "late": "VALUE = 3", "unrelated": "VALUE = 4"}[module]
    second = source_sha256(package(tmp_path / "two", "versioned_c", **{module: text}))
    assert (first == second) is same


def test_a_plugin_file_has_the_same_version_in_any_folder(tmp_path):
    text = METHOD.format(imports="", package="nowhere")
    versions = []
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "net.py").write_text(text)
        (cls,) = load_plugin(str(tmp_path / folder / "net.py"))
        versions.append(source_sha256(cls))
    assert versions[0] == versions[1]


def test_the_harness_training_code_is_part_of_it(tmp_path, monkeypatch):
    (tmp_path / "net.py").write_text(METHOD.format(imports="", package="nowhere"))
    (cls,) = load_plugin(str(tmp_path / "net.py"))
    before = source_sha256(cls)
    source_sha256.cache_clear()
    hashes = code_version._harness_sources()
    assert {"training/loop.py", "bags/packed.py", "api/aggregator.py", "core/seeds.py"} <= set(hashes)
    monkeypatch.setattr(code_version, "_harness_sources", lambda: hashes | {"training/loop.py": "changed"})
    assert source_sha256(cls) != before
    source_sha256.cache_clear()


def test_every_listed_file_of_the_harness_exists():
    root = Path(code_version.__file__).parents[1]
    assert all((root / name).exists() for name in code_version.HARNESS_CODE)


def test_a_class_without_a_file_is_refused():
    from harness import Method

    cls = type("Typed", (Method,), {"__module__": "not_a_module"})
    with pytest.raises(MethodError, match="no source file"):
        source_sha256(cls)


def test_built_in_methods_declare_their_version():
    names = [entry.name for entry in list_methods() if entry.origin.startswith("wsibench")]
    assert len(names) == 14
    assert all(method_version(find_method(name)).isdigit() for name in names)


def test_a_method_that_declares_none_has_that_of_its_own_source(tmp_path, monkeypatch):
    """Its author is changing it: a new source is a new version, whatever happens to the harness."""
    versions = []
    for folder, comment in (("a", ""), ("b", ""), ("c", "# changed")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "net.py").write_text(METHOD.format(imports=comment, package="nowhere"))
        (cls,) = load_plugin(str(tmp_path / folder / "net.py"))
        versions.append(method_version(cls))
    assert versions[0] == versions[1] != versions[2]
    monkeypatch.setattr(code_version, "_harness_sources", lambda: {"training/loop.py": "changed"})
    assert method_version(cls) == versions[2]
