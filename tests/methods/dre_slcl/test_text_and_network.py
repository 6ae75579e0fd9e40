"""Text encoders and the size of the networks."""

from __future__ import annotations

import sys
import types
from itertools import pairwise

import numpy as np
import pytest
import torch

from harness import UsageError, build_encoder
from harness.core.errors import DataError
from methods.dre_slcl import DreParams
from methods.dre_slcl.network import Backbone, ContrastNet, Refiner
from methods.dre_slcl.text import encode_reports, mean_of_tokens
from methods.dre_slcl.training import warmup_cosine

CPU = torch.device("cpu")
REPORTS = ("No tumour in the node.", "Tumour in the node.", "The node holds no tumour.")


def test_hashed_reports_are_the_same_everywhere():
    vectors = encode_reports("hashed:64", REPORTS, device=CPU)
    assert vectors.shape == (3, 64) and vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    np.testing.assert_array_equal(vectors[1:2], encode_reports("hashed:64", REPORTS[1:2], device=CPU))
    # Pairs of words count: the same words in another order are another report.
    assert not np.allclose(*encode_reports("hashed", ["tumour no, cyst", "no tumour, cyst"], device=CPU))


def test_padding_does_not_enter_the_mean():
    hidden = torch.randn(2, 4, 3)
    mask = torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0]])
    pooled = mean_of_tokens(hidden, mask)
    torch.testing.assert_close(pooled[1], hidden[1, :2].mean(0))
    torch.testing.assert_close(pooled[0], hidden[0].mean(0))


def test_a_transformer_is_asked_for_its_last_hidden_states(monkeypatch):
    class Tokens(dict):
        def to(self, device):
            return self

    class Tokenizer:
        pad_token = None
        eos_token = "."

        def __call__(self, texts, **settings):
            assert settings["truncation"] and settings["max_length"] == 7
            lengths = [min(len(text.split()), 7) for text in texts]
            mask = torch.tensor([[int(k < n) for k in range(max(lengths))] for n in lengths])
            ids = torch.arange(mask.shape[1]).expand_as(mask)
            return Tokens(input_ids=ids, attention_mask=mask)

    class Model(torch.nn.Module):
        def forward(self, input_ids, attention_mask):
            return types.SimpleNamespace(last_hidden_state=torch.nn.functional.one_hot(input_ids, 8).float())

    fake = types.ModuleType("transformers")
    fake.AutoTokenizer = types.SimpleNamespace(from_pretrained=lambda name: Tokenizer())
    fake.AutoModel = types.SimpleNamespace(from_pretrained=lambda name, **_: Model())
    monkeypatch.setitem(sys.modules, "transformers", fake)
    vectors = encode_reports("some/model", ["a b", *["a b c d"] * 5], device=CPU, max_tokens=7)
    np.testing.assert_allclose(vectors[0, :3], [0.5**0.5, 0.5**0.5, 0], atol=1e-6)
    np.testing.assert_allclose(vectors[5, :4], 0.5, atol=1e-6)


def test_what_cannot_be_encoded_says_why(monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(UsageError, match="needs the package transformers"):
        encode_reports("some/model", REPORTS, device=CPU)
    with pytest.raises(UsageError, match="no width"):
        encode_reports("hashed:wide", REPORTS, device=CPU)
    with pytest.raises(DataError, match="report number 1 is empty"):
        encode_reports("hashed", ["text", " "], device=CPU)


def test_the_reading_of_the_paper_has_less_than_27_million_parameters():
    with torch.device("meta"):
        refiner, project = Refiner(32, 384), torch.nn.Linear(384, 4096)
    vit_small_16 = 21_665_664  # without a classifier, 197 positions
    count = sum(p.numel() for part in (refiner, project) for p in part.parameters()) + vit_small_16
    assert 26e6 < count < 27e6


def test_heads_must_divide_the_width():
    with pytest.raises(UsageError, match="5 heads"):
        Refiner(4, 96, heads=5)
    with pytest.raises(UsageError, match="codewords must be at least 1"):
        DreParams.build({"codewords": 0}, place="test")


def test_the_contrast_net_projects_into_the_space_of_the_reports():
    backbone = Backbone(build_encoder("conv64", tile_px=32, seed=0), 4, layers=1)
    backbone.codebook.normal_(generator=torch.Generator().manual_seed(0))
    net = ContrastNet(backbone, 10).eval()
    features = torch.nn.functional.normalize(torch.randn(7, 96), dim=1)
    both, counts = net(features, torch.tensor([0, 3, 7]))
    alone, _ = net(features[3:], torch.tensor([0, 4]))
    assert both.shape == (2, 10) and counts.sum(1).tolist() == [3, 4]
    torch.testing.assert_close(alone[0], both[1], rtol=1e-5, atol=1e-6)


def test_the_schedule_warms_up_and_ends_at_its_floor():
    params = DreParams.build({"warmup_steps": 5, "lr": 1e-3, "min_lr": 1e-5}, place="test")
    factor = warmup_cosine(params, 10, 10)
    values = [factor(step / 10) for step in range(101)]
    assert values[:5] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    assert max(values) == 1 and values[-1] == pytest.approx(0.01)
    assert all(b <= a for a, b in pairwise(values[5:]))
