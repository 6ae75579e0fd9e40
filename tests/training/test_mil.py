"""The shared bag method, end to end on tiles: gradients reach the encoder, memory tricks change nothing."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from support.plugins import load_plugin

from harness import Classification
from harness.bags.tile_source import PatchReader, TileBags
from harness.training.mil_fit import build_network, predict


def _bags(held_out: bool = False) -> TileBags:
    """Positive bags hold two bright patches."""
    rng = np.random.default_rng(0)
    patches = rng.integers(60, 120, (160, 32, 32, 3), dtype=np.uint8)
    labels = np.arange(16) % 2
    for bag in np.flatnonzero(labels):
        patches[bag * 10 : bag * 10 + 2] += 100
    ids = [f"b{k}" for k in range(16)]
    reader = PatchReader(patches, {name: (k * 10, k * 10 + 10) for k, name in enumerate(ids)})
    return TileBags(ids, None if held_out else labels.astype(np.int64), reader)


@pytest.fixture
def tiny(tiny_plugin):
    """A function that makes the plugin method for tiles."""
    (method,) = load_plugin(str(tiny_plugin))

    def make(**params):
        values = {"lr": 0.003, "epochs": 8, "batch_size": 4, "augment": "flips"} | params
        return method(
            method.Params.build(values, place="test"), Classification(("negative", "positive"), encoder="conv64")
        )

    return make


def test_encoder_and_aggregator_train_together(tiny, make_run):
    method, run = tiny(), make_run()
    train = _bags()
    with torch.no_grad():
        before = {n: p.clone() for n, p in build_network(method, train, run).named_parameters()}
    method.fit(train, train, run)
    unmoved = [name for name, value in method.network.named_parameters() if torch.equal(value, before[name])]
    assert not unmoved
    prediction = method.predict(_bags(held_out=True), run)
    assert ((prediction.probabilities[:, 1] > 0.5) == train.labels).all()
    bright = np.concatenate([np.repeat([1, 0], [2, 8]) for _ in range(8)]).astype(bool)
    weights = np.concatenate([prediction.attention[k] for k in range(1, 16, 2)])
    assert weights[bright].mean() > weights[~bright].mean()


def test_recomputing_activations_changes_nothing(tiny, make_run):
    results = []
    for recompute in (False, True):
        method, run = tiny(recompute=recompute, encode_chunk=7, epochs=2), make_run(f"recompute{recompute}")
        method.fit(_bags(), None, run)
        results.append(method.network.state_dict())
    for name, value in results[0].items():
        torch.testing.assert_close(value, results[1][name], rtol=1e-5, atol=1e-6)


def test_prediction_leaves_the_network_as_it_was_and_reads_every_tile_once(tiny, make_run):
    method, run = tiny(epochs=1), make_run()
    method.fit(_bags(), None, run)
    method.network.train()
    before = {name: value.clone() for name, value in method.network.state_dict().items()}
    first, again = (predict(method.network, _bags(held_out=True), run) for _ in range(2))
    assert method.network.training
    assert all(torch.equal(value, before[name]) for name, value in method.network.state_dict().items())
    assert np.array_equal(first.probabilities, again.probabilities)
    assert [len(weights) for weights in first.attention] == [10] * 16


def test_initial_weights_follow_the_seed_and_nothing_else(tiny, make_run):
    torch.manual_seed(1)
    one = build_network(tiny(), _bags(), make_run("a")).state_dict()
    torch.manual_seed(2)
    other = build_network(tiny(), _bags(), make_run("b")).state_dict()
    assert all(torch.equal(value, other[name]) for name, value in one.items())
