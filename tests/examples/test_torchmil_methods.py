"""examples/torchmil_methods.py: every aggregator of torchmil is a method that trains and predicts."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

from harness import Classification, MILMethod
from harness.bags.packed import pack
from harness.conformance import check_method_contract
from harness.plugins.load import load_classes

pytest.importorskip("torchmil")
FILE = Path(__file__).resolve().parents[2] / "examples" / "torchmil_methods.py"


METHODS = {found.card.name: found for found in load_classes(str(FILE)) if issubclass(found, MILMethod)}
EXAMPLE = sys.modules[METHODS["torchmil:abmil"].__module__]


def test_all_models_are_methods_but_those_left_out_with_a_reason():
    import torchmil.models

    found = {kind.__name__ for kind in vars(torchmil.models).values() if isinstance(kind, type)}
    models = {one for one in found if issubclass(getattr(torchmil.models, one), torch.nn.Module)}
    assert len(METHODS) == len(models - set(EXAMPLE.LEFT_OUT))
    assert {"torchmil:abmil", "torchmil:transmil", "torchmil:clam_sb"} <= set(METHODS)
    assert METHODS["torchmil:smabmil"].card.coordinates
    assert not METHODS["torchmil:abmil"].card.coordinates


@pytest.mark.parametrize("name", sorted(METHODS))
def test_a_model_learns_from_its_own_loss_and_predicts_the_same_twice(name):
    torch.manual_seed(0)
    method = METHODS[name](METHODS[name].Params(), Classification(("no", "yes")))
    network = method.aggregator(6)
    places = [torch.tensor([[0, 0], [10, 0], [10, 10]]), torch.tensor([[0, 0], [30, 0]])]
    bags = pack([torch.rand(3, 6), torch.rand(2, 6)], torch.tensor([0, 1]), coords=places)
    output = network.train()(bags)
    loss = network.loss(output, bags.labels)
    loss.backward()
    assert output.logits.shape == (2, 2)
    assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())
    with torch.no_grad():
        first, again = (network.eval()(bags).logits for _ in range(2))
    assert torch.equal(first, again)


@pytest.mark.parametrize("name", ["torchmil:abmil", "torchmil:dtfdmil", "torchmil:smabmil"])
def test_the_contract_is_kept(name):
    outcomes = list(check_method_contract(METHODS[name]))
    assert not [f"{one.check}: {one.detail}" for one in outcomes if one.status == "fail"]


def test_tiles_that_touch_are_neighbours():
    adjacency = EXAMPLE.neighbours(torch.tensor([[0, 0], [256, 256], [1024, 0]]))
    assert (adjacency > 0).tolist() == [[True, True, False], [True, True, False], [False, False, True]]
    assert torch.allclose(adjacency, adjacency.T)
    assert adjacency[0, 1] == pytest.approx(0.5)
