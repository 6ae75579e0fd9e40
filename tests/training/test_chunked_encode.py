"""Chunked encoding: the gradient of one pass, the memory of one chunk, statistics and randomness of one pass."""

from __future__ import annotations

import weakref
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from harness.bags.augment import Augment
from harness.encoders import build_encoder
from harness.training.chunked_encode import encode_in_chunks

Gradients = dict[str, Tensor]


def _network(*, dropout: float = 0.0, norm: bool = False) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 6, 3, stride=2),
        nn.BatchNorm2d(6) if norm else nn.Identity(),
        nn.ReLU(inplace=True),
        nn.Dropout(dropout),
        nn.Flatten(),
        nn.Linear(6 * 5 * 5, 4),
        nn.Dropout(dropout),
    ).double()


def _tiles(count: int) -> Tensor:
    return torch.rand(count, 3, 11, 11, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def _gradients(module: nn.Module, features: Tensor) -> Gradients:
    """Gradients of a loss in which every tile depends on every other, as attention makes it."""
    attention = features.sum(1).softmax(0)
    (attention @ features.tanh()).square().sum().backward()
    return {name: p.grad.clone() for name, p in module.named_parameters() if p.grad is not None}


def _same(first: Gradients, second: Gradients, tolerance: float = 1e-12) -> None:
    assert first.keys() == second.keys() != set()
    for name in first:
        torch.testing.assert_close(first[name], second[name], rtol=0, atol=tolerance)
        assert first[name].abs().sum() > 0


def _run(
    module: nn.Module, tiles: Tensor, chunk: int, *, recompute: bool, encode: Callable[..., Tensor] | None = None
) -> tuple[Tensor, Gradients]:
    module.zero_grad(set_to_none=True)
    torch.manual_seed(7)
    features = encode_in_chunks(encode or module, tiles, chunk, module=module, recompute=recompute)
    return features.detach().clone(), _gradients(module, features)


@pytest.mark.parametrize("chunk", [1, 4, 7, 20, 50])
@pytest.mark.parametrize("recompute", [True, False])
def test_it_is_the_gradient_of_one_pass(chunk: int, recompute: bool) -> None:
    module, tiles = _network(), _tiles(20)
    expected = _gradients(module, module(tiles))
    features, gradients = _run(module, tiles, chunk, recompute=recompute)
    torch.testing.assert_close(features, module(tiles).detach(), rtol=0, atol=1e-12)
    _same(gradients, expected)


@pytest.mark.parametrize("chunk", [0, 3, 8])
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(("dropout", "norm"), [(0.5, False), (0.0, True), (0.3, True)])
def test_recomputing_changes_neither_features_nor_gradients(
    dropout: float, norm: bool, training: bool, chunk: int
) -> None:
    tiles = _tiles(18)
    results = []
    for recompute in (False, True):
        module = _network(dropout=dropout, norm=norm).train(training)
        features, gradients = _run(module, tiles, chunk, recompute=recompute)
        results.append((features, gradients, module.state_dict(), torch.get_rng_state()))
    (plain, plain_gradients, plain_state, plain_rng), (ours, our_gradients, our_state, our_rng) = results
    assert torch.equal(ours, plain)
    _same(our_gradients, plain_gradients)
    assert torch.equal(our_rng, plain_rng), "the second pass used up random numbers"
    for name, value in plain_state.items():
        assert torch.equal(our_state[name], value), f"{name} was updated twice"


def test_batch_norm_counts_each_chunk_once() -> None:
    module = _network(norm=True).train()
    norm = module[1]  # type: ignore[index]
    buffers = {name: id(buffer) for name, buffer in norm.named_buffers()}
    _run(module, _tiles(20), 8, recompute=True)
    assert int(norm.num_batches_tracked) == 3
    assert {name: id(buffer) for name, buffer in norm.named_buffers()} == buffers, "buffers were exchanged for good"


def test_dropout_is_replayed_and_differs_between_chunks() -> None:
    module = nn.Sequential(nn.Flatten(), nn.Linear(3 * 11 * 11, 16), nn.Dropout(0.5)).double().train()
    tiles = _tiles(1).expand(6, -1, -1, -1)
    features, gradients = _run(module, tiles, 2, recompute=True)
    dropped = features == 0
    assert len(dropped.unique(dim=0)) > 3
    # A bias whose outputs were all dropped gets no gradient: the masks of both passes must be the same ones.
    never = dropped.all(0)
    assert torch.equal(gradients["1.bias"] == 0, never)


def test_augmentation_drawn_before_is_cut_with_the_tiles() -> None:
    encoder = build_encoder("conv64", tile_px=32, seed=0).eval()
    tiles = torch.randint(0, 256, (10, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(2))
    augment = Augment("strong", 32)
    expected = _gradients(encoder, encoder.encode(augment(tiles, 5)))
    encoder.zero_grad(set_to_none=True)
    features = encode_in_chunks(
        lambda part, drawn: encoder.encode(augment.apply(part, drawn)),
        tiles,
        4,
        module=encoder,
        along=[augment.draw(len(tiles), 5)],
    )
    _same(_gradients(encoder, features), expected, tolerance=1e-5)


def test_random_augmentation_inside_is_replayed() -> None:
    module, augment = _network(), Augment("weak", 11)

    def encode(part: Tensor) -> Tensor:
        seed = int(torch.randint(2**31, (1,)))
        return module(augment(part, seed).double())  # type: ignore[no-any-return]

    tiles = (_tiles(12) * 255).to(torch.uint8)
    plain = _run(module, tiles, 5, recompute=False, encode=encode)
    ours = _run(module, tiles, 5, recompute=True, encode=encode)
    assert torch.equal(plain[0], ours[0])
    _same(plain[1], ours[1])


class _Watch(nn.Module):
    """Passes its input on and remembers which of its outputs are still in memory."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[weakref.ref[Tensor]] = []
        self.most = 0

    def forward(self, x: Tensor) -> Tensor:
        # Squared, so that autograd has to keep the result of exp() for the way back.
        result = (x / 10).exp()
        self.seen.append(weakref.ref(result))
        self.most = max(self.most, self.alive())
        return result.square()

    def alive(self) -> int:
        return sum(reference() is not None for reference in self.seen)


@pytest.mark.parametrize(("recompute", "after_forward", "most"), [(True, 0, 1), (False, 10, 10)])
def test_memory_does_not_grow_with_the_number_of_tiles(recompute: bool, after_forward: int, most: int) -> None:
    watch = _Watch()
    module = nn.Sequential(nn.Conv2d(3, 6, 3), watch, nn.Flatten(), nn.Linear(6 * 81, 4)).double()
    features = encode_in_chunks(module, _tiles(40), 4, module=module, recompute=recompute)
    assert watch.alive() == after_forward
    _gradients(module, features)
    assert watch.most == most
    assert len(watch.seen) == (20 if recompute else 10)


def test_mixed_precision_is_replayed_too() -> None:
    module = _network().float()
    tiles = _tiles(8).float()
    with torch.autocast("cpu", torch.bfloat16):
        plain_features = encode_in_chunks(module, tiles, 3, module=module, recompute=False)
    plain = _gradients(module, plain_features.float())
    module.zero_grad(set_to_none=True)
    with torch.autocast("cpu", torch.bfloat16):
        features = encode_in_chunks(module, tiles, 3, module=module)
    assert torch.equal(features, plain_features)
    assert features.dtype == torch.bfloat16
    _same(_gradients(module, features.float()), plain, tolerance=1e-6)


def test_without_gradients_there_is_one_pass_and_frozen_weights_stay_frozen() -> None:
    module = _network()
    with torch.no_grad():
        assert not encode_in_chunks(module, _tiles(6), 4, module=module).requires_grad
    module[0].requires_grad_(False)  # type: ignore[index]
    _, gradients = _run(module, _tiles(6), 4, recompute=True)
    assert set(gradients) == {"5.weight", "5.bias"}


def test_gradients_of_several_calls_add_up() -> None:
    module, tiles = _network(), _tiles(8)
    _, once = _run(module, tiles, 3, recompute=True)
    module.zero_grad(set_to_none=True)
    for _ in range(2):
        twice = _gradients(module, encode_in_chunks(module, tiles, 3, module=module))
    _same(twice, {name: 2 * gradient for name, gradient in once.items()})


def test_a_negative_chunk_is_refused() -> None:
    module = _network()
    with pytest.raises(ValueError, match="negative"):
        encode_in_chunks(module, _tiles(2), -1, module=module)
