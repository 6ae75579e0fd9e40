"""Methods by name: entry points, files and dotted paths; clashes, broken plugins, the contract check."""

from __future__ import annotations

import sys
from importlib import metadata
from pathlib import Path

import pytest

import harness
from harness import MethodError, UsageError
from harness.api.registry import GROUP, Registry

METHOD = """
from harness import Method, MethodCard, Params, fixed

class {cls}(Method):
    card = MethodCard(name="{name}", title="A test method", paper="none")
    class Params(Params):
        depth: int = fixed(1)
    def stages(self, train, val, run):
        yield from ()
    def predict(self, bags, run):
        raise RuntimeError
"""


@pytest.fixture(autouse=True)
def own_modules(tmp_path, monkeypatch):
    """Each test imports from its own folder and leaves no module behind."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    yield
    for name in set(sys.modules) - before:
        if str(tmp_path) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


@pytest.fixture
def install(tmp_path):
    """Install a distribution that registers methods; gives the entry points of all installed so far."""
    site = tmp_path / "site"

    def run(package: str, **methods: str) -> list[metadata.EntryPoint]:
        info = site / f"{package}-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        lines = "\n".join(f"{name} = {target}" for name, target in methods.items())
        (info / "entry_points.txt").write_text(f"[{GROUP}]\n{lines}\n")
        found = metadata.distributions(path=[str(site)])
        return [point for dist in found for point in dist.entry_points]

    return run


def write(path: Path, name: str, cls: str = "Example") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(METHOD.format(name=name, cls=cls))
    return path


def test_the_built_in_methods_come_through_the_entry_point_group():
    points = {point.name: point for point in metadata.entry_points(group=GROUP)}
    assert {"mean_pool", "max_pool", "abmil", "gated_abmil", "abmilx"} <= set(points)


def test_a_method_is_imported_only_when_it_is_asked_for(tmp_path, install):
    write(tmp_path / "lazy_one.py", "lazy_one")
    write(tmp_path / "lazy_two.py", "lazy_two")
    registry = Registry(install("lazy", lazy_one="lazy_one:Example", lazy_two="lazy_two:Example"))
    assert "lazy_one" not in sys.modules
    found = registry.find("lazy_one")
    assert found.card.name == "lazy_one"
    assert "lazy_two" not in sys.modules


def test_a_misspelt_name_is_answered_with_the_nearest(tmp_path, install):
    write(tmp_path / "near.py", "gated_thing")
    registry = Registry(install("near", gated_thing="near:Example"))
    with pytest.raises(UsageError, match="unknown method 'gated_thng'") as caught:
        registry.find("gated_thng")
    assert "'gated_thing'" in caught.value.fix


def test_two_packages_with_one_name_are_an_error_that_names_both(tmp_path, install):
    for module in ("first", "second", "third"):
        write(tmp_path / f"{module}.py", "same" if module != "third" else "other")
    install("alpha", same="first:Example")
    registry = Registry(install("beta", same="second:Example", other="third:Example"))
    with pytest.raises(UsageError, match="two methods") as caught:
        registry.find("same")
    assert "alpha 1.0 (first:Example)" in caught.value.place
    assert "beta 1.0 (second:Example)" in caught.value.place
    assert registry.find("other").card.name == "other"
    entries = {entry.name: entry for entry in registry.entries()}
    assert entries["same"].card is None
    assert "two methods" in entries["same"].broken
    assert entries["other"].broken == ""


def test_a_broken_plugin_is_listed_with_its_reason_and_harms_no_other(tmp_path, install):
    (tmp_path / "shaky.py").write_text("import math\nimport no_such_library\n")
    write(tmp_path / "solid.py", "solid")
    registry = Registry(install("both", shaky="shaky:Example", solid="solid:Example"))
    entries = {entry.name: entry for entry in registry.entries()}
    assert "No module named 'no_such_library'" in entries["shaky"].broken
    assert f"{tmp_path / 'shaky.py'}, line 2" in entries["shaky"].broken
    assert entries["solid"].card is not None
    with pytest.raises(MethodError, match="no_such_library"):
        registry.find("shaky")


@pytest.mark.parametrize(
    "body", ["raise RuntimeError('at import')", "import sys; sys.exit(3)", "def broken(:", "assert 0"]
)
def test_whatever_a_plugin_raises_is_told_and_survived(tmp_path, body):
    registry = Registry([])
    good, bad = write(tmp_path / "good.py", "good"), tmp_path / "bad.py"
    bad.write_text(body)
    assert registry.use_plugin(str(bad)) == ["bad"]
    assert registry.use_plugin(str(good)) == ["good"]
    assert registry.find("good").card.name == "good"
    assert [(entry.name, bool(entry.broken)) for entry in registry.entries()] == [("bad", True), ("good", False)]
    with pytest.raises(MethodError, match="import failed"):
        registry.find("bad")


def test_a_broken_file_that_is_called_like_a_method_does_not_hide_it(tmp_path, install):
    write(tmp_path / "real.py", "twin")
    (tmp_path / "twin.py").write_text("1 / 0")
    registry = Registry(install("pack", twin="real:Example"))
    assert registry.use_plugin("twin.py") == ["twin.py"]
    assert registry.find("twin").card.name == "twin"


@pytest.mark.parametrize("spec", ["file", "module", "class"])
def test_a_plugin_comes_by_file_or_dotted_path(tmp_path, spec):
    file = write(tmp_path / "local_pack" / "net.py", "mine", cls="Mine")
    (tmp_path / "local_pack" / "__init__.py").touch()
    registry = Registry([])
    text = {"file": str(file), "module": "local_pack.net", "class": "local_pack.net:Mine"}[spec]
    assert registry.use_plugin(text) == ["mine"]
    assert registry.use_plugin(text) == ["mine"], "using a plugin twice is no clash"
    assert registry.find("mine").__name__ == "Mine"


def test_a_dotted_path_works_as_a_method_name_also_for_a_registered_class(tmp_path, install):
    write(tmp_path / "registered.py", "registered")
    registry = Registry(install("pack", registered="registered:Example"))
    assert registry.find("registered:Example") is registry.find("registered")


def test_a_plugin_may_define_several_methods_and_import_others(tmp_path):
    write(tmp_path / "base.py", "base")
    second = METHOD.format(name="second", cls="Second").replace("class Second(Method)", "class Second(Example)")
    third = METHOD.format(name="third", cls="Third")
    (tmp_path / "several.py").write_text("from base import Example\n" + second + third)
    registry = Registry([])
    assert registry.use_plugin("several.py") == ["second", "third"], "the imported class is not the plugin's own"


def test_a_plugin_that_takes_a_name_is_refused_and_names_both(tmp_path, install):
    write(tmp_path / "taken.py", "taken")
    registry = Registry(install("pack", taken="taken:Example"))
    file = write(tmp_path / "elsewhere" / "mine.py", "taken")
    with pytest.raises(UsageError, match="two methods are called 'taken'") as caught:
        registry.use_plugin(str(file))
    assert "pack 1.0" in caught.value.place
    assert str(file) in caught.value.place
    assert registry.find("taken").__module__ == "taken"


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        ("missing.py", "no plugin file"),
        ("no_such_module", "no module 'no_such_module'"),
        ("no_such_module.sub", "no module 'no_such_module.sub'"),
        ("plain:Nothing", "does not exist"),
        ("plain:VALUE", "is not a class"),
    ],
)
def test_a_plugin_that_is_not_there_is_a_usage_error(tmp_path, spec, problem):
    (tmp_path / "plain.py").write_text("VALUE = 1\n")
    with pytest.raises(UsageError, match=problem):
        Registry([]).use_plugin(spec)


def test_a_plugin_without_a_method_is_broken(tmp_path):
    (tmp_path / "empty.py").write_text("VALUE = 1\n")
    registry = Registry([])
    registry.use_plugin("empty.py")
    with pytest.raises(MethodError, match="defines no method"):
        registry.find("empty")


def test_without_an_installed_project_the_error_says_how_to_install():
    for call in (Registry([]).entries, lambda: Registry([]).find("abmil")):
        with pytest.raises(UsageError, match="not installed") as caught:
            call()
        assert "pip install" in caught.value.fix


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('card = MethodCard(name="checked", title="A test method", paper="none")', "pass", "no card"),
        ('name="checked"', 'name="Checked!"', "not a good method name"),
        ('paper="none"', 'paper="none", inputs=()', "inputs"),
        ('paper="none"', 'paper="none", inputs=("pictures",)', "inputs"),
        ("class Params(Params):", "class Other(Params):", "no Params"),
        ("depth: int = fixed(1)", "depth: int", "defaults"),
        ("depth: int = fixed(1)", 'depth: int = fixed("deep")', "defaults"),
        ("def predict", "def forecast", "lacks predict"),
        ('paper="none"', 'paper="none", presets={"p": Preset(help="", params={"deph": 2})}', "unknown hyper-parameter"),
        ('paper="none"', 'paper="none", presets={"p": Preset(help="", input={"scale": 2})}', "unknown input setting"),
    ],
)
def test_a_class_that_breaks_the_contract_is_named_with_what_is_wrong(tmp_path, install, old, new, problem):
    text = METHOD.format(name="checked", cls="Example").replace("import Method,", "import Method, Preset,")
    assert old in text
    (tmp_path / "checked.py").write_text(text.replace(old, new))
    registry = Registry(install("pack", checked="checked:Example"))
    with pytest.raises(MethodError, match=problem) as caught:
        registry.find("checked")
    assert "checked:Example" in caught.value.place


def test_an_entry_point_must_carry_its_cards_name(tmp_path, install):
    write(tmp_path / "named.py", "one_name")
    with pytest.raises(MethodError, match="registered as 'another_name'"):
        Registry(install("pack", another_name="named:Example")).find("another_name")


def test_an_entry_point_that_is_no_method_is_refused(tmp_path, install):
    (tmp_path / "thing.py").write_text("Thing = 3\n")
    with pytest.raises(MethodError, match="not a method"):
        Registry(install("pack", thing="thing:Thing")).find("thing")


def test_input_settings_of_presets_are_those_of_dataset_cards():
    from harness.api.check import _INPUT_SETTINGS
    from harness.datasets.card import InputSettings

    assert set(InputSettings.model_fields) == _INPUT_SETTINGS


@pytest.mark.parametrize("entry", metadata.entry_points(group=GROUP), ids=lambda entry: entry.name)
def test_every_registered_method_keeps_the_contract(entry):
    method = harness.api.registry.find_method(entry.name)
    assert method.card.paper
    assert all(field.help for _, field, _ in method.Params.describe().values()), (
        "every hyper-parameter says what it does"
    )
