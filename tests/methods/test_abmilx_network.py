"""ABMILX against its formula written out plainly, over shapes and seeds."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from harness import pack
from methods.aggregators.abmilx import ABMILX
from methods.aggregators.attention_plus import AttentionPlus, propagate

SHAPES = [
    # sizes, dim, width, heads, norm, bias, attention bias, ffn
    ((11, 4, 1), 7, 24, 3, "ln", False, False, True),
    ((6, 6, 6), 5, 16, 4, "none", True, True, False),
    ((2, 50), 20, 8, 8, "ln", True, False, False),
    ((33,), 9, 20, 2, "none", False, True, True),
    ((70, 70), 16, 32, 1, "ln", False, False, False),
]


def plain(network: ABMILX, bag: Tensor) -> tuple[Tensor, Tensor]:
    """Logits (C,) and attention (m, N) of one bag, head by head, tile by tile matrix and all."""
    h = network.embed(bag)
    heads = []
    weights = []
    for head in h.chunk(network.heads, 1):
        scores = network.score(head)[:, 0]
        if network.plus is not None:
            normed = functional.layer_norm(
                head, head.shape[1:], network.plus.norm.weight, network.plus.norm.bias, network.plus.norm.eps
            )
            projection = network.plus.query_key.weight
            query, key = normed @ projection[: head.shape[1]].T, normed @ projection[head.shape[1] :].T
            u = (query @ key.T / head.shape[1] ** 0.5).softmax(1)
            scores = scores + u @ (network.plus.alpha * scores)
        weight = scores.softmax(0)
        weights.append(weight)
        heads.append(weight @ head)
    z = network.project(torch.cat(heads))
    if network.ffn is not None:
        z = z + network.ffn(z)
    return network.classify(network.norm(z)), torch.stack(weights)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_formula_and_gradients(shape: tuple[tuple[int, ...], int, int, int, str, bool, bool, bool], seed: int) -> None:
    sizes, dim, width, heads, norm, bias, attention_bias, ffn = shape
    torch.manual_seed(seed)
    network = ABMILX(
        dim,
        3,
        width=width,
        heads=heads,
        norm=norm,
        bias=bias,
        attention_bias=attention_bias,
        ffn=ffn,
        alpha_init="normal",
    ).eval()
    xs = [torch.randn(size, dim, requires_grad=True) for size in sizes]
    labels = torch.arange(len(sizes)) % 3

    output = network(pack(xs))
    parameters = list(network.parameters())
    ours = torch.autograd.grad(network.loss(output, labels), xs + parameters, allow_unused=True)

    logits = torch.stack([plain(network, x)[0] for x in xs])
    theirs = torch.autograd.grad(functional.cross_entropy(logits, labels), xs + parameters, allow_unused=True)

    torch.testing.assert_close(output.logits, logits, atol=1e-5, rtol=1e-5)
    assert output.attention is not None
    attention = torch.cat([plain(network, x)[1].T for x in xs])
    torch.testing.assert_close(output.attention, attention, atol=1e-5, rtol=1e-5)
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)


def test_without_attention_plus_it_is_local_attention() -> None:
    torch.manual_seed(0)
    with_plus = ABMILX(6, 2, width=8, heads=2).eval()
    without = ABMILX(6, 2, width=8, heads=2, attention_plus="off").eval()
    assert with_plus.plus is not None
    with torch.no_grad():
        with_plus.plus.alpha.zero_()
    without.load_state_dict({k: v for k, v in with_plus.state_dict().items() if not k.startswith("plus.")})
    packed = pack([torch.randn(9, 6), torch.randn(3, 6)])
    torch.testing.assert_close(with_plus(packed).logits, without(packed).logits)


def test_alpha() -> None:
    torch.manual_seed(3)
    assert AttentionPlus(4).alpha == 1
    fixed = AttentionPlus(4, learned=False)
    assert fixed.alpha == 1
    assert not fixed.alpha.requires_grad
    drawn = torch.stack([AttentionPlus(4, normal=True).alpha.detach() for _ in range(400)])
    assert drawn.min() < 0 < drawn.max()
    assert abs(drawn.std() - 1) < 0.15


def test_first_weights_are_xavier_normal_without_bias() -> None:
    torch.manual_seed(0)
    network = ABMILX(300, 2, width=200, heads=2, bias=True)
    layer = network.embed[1]
    assert isinstance(layer, torch.nn.Linear)
    assert abs(layer.weight.std() - (2 / 500) ** 0.5) < 0.002
    assert not layer.bias.any()


@pytest.mark.parametrize(
    ("dim", "width", "heads", "ffn", "millions"),
    [
        (256, 256, 8, False, 0.135),
        (1024, 256, 8, False, 0.333),
        (256, 512, 4, True, 2.55),
        (1024, 256, 4, True, 0.87),
        (1024, 512, 8, False, 0.80),
    ],
)
def test_parameter_counts_of_the_published_configurations(
    dim: int, width: int, heads: int, ffn: bool, millions: float
) -> None:
    count = sum(p.numel() for p in ABMILX(dim, 2, width=width, heads=heads, ffn=ffn).parameters())
    assert count / 1e6 == pytest.approx(millions, abs=0.006)


def test_heads_must_divide_the_width() -> None:
    with pytest.raises(ValueError, match="5 heads do not divide a width of 16"):
        ABMILX(4, 2, width=16, heads=5)


@pytest.mark.parametrize("width", [1, 3, 8, 20])
def test_propagate_is_exact_over_many_blocks(width: int) -> None:
    torch.manual_seed(width)
    query, key = torch.randn(2, 1, 3, 700, width)
    value = torch.randn(1, 3, 700)
    for tensor in (query, key, value):
        tensor.requires_grad_()
    ours = propagate(query, key, value)
    scores = (query @ key.transpose(2, 3) / width**0.5).softmax(-1)
    theirs = (scores @ value.unsqueeze(-1)).squeeze(-1)
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)
    weights = torch.randn_like(ours)
    for one, other in zip(
        torch.autograd.grad((ours * weights).sum(), (query, key, value)),
        torch.autograd.grad((theirs * weights).sum(), (query, key, value)),
        strict=True,
    ):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)


@pytest.mark.slow
def test_fifty_thousand_tiles() -> None:
    """The matrix U alone would take 10 GB per head; time grows with the square of the bag."""
    torch.manual_seed(0)
    network = ABMILX(8, 2, width=8, heads=1).eval()
    with torch.no_grad():
        output = network(pack([torch.randn(50_000, 8)]))
    assert torch.isfinite(output.logits).all()
    assert output.attention is not None
    torch.testing.assert_close(
        output.attention.double().sum(), torch.tensor(1.0, dtype=torch.float64), atol=1e-4, rtol=0
    )


def test_gradient_through_a_long_bag() -> None:
    torch.manual_seed(0)
    network = ABMILX(8, 2, width=8, heads=1).train()
    x = torch.randn(12_000, 8, requires_grad=True)
    network.loss(network(pack([x])), torch.tensor([1])).backward()
    assert x.grad is not None
    assert torch.isfinite(x.grad).all()
    assert x.grad.abs().sum() > 0
