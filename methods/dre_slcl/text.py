"""Report vectors from a frozen text encoder: hashed n-grams that need nothing, or any model of transformers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from harness import DataError, UsageError

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray
    from torch import Tensor

HASHED_DIM = 1024
NGRAMS = (1, 2)
BATCH = 4


def encode_reports(
    name: str, reports: Sequence[str], *, device: torch.device, max_tokens: int = 1024
) -> NDArray[np.float32]:
    """L2-normalised vectors (n, P) of reports; nothing here is trained.

    Args:
        name: ``hashed`` or ``hashed:P`` (words and pairs of words, hashed into P columns, deterministic everywhere);
            or the name or folder of a model that transformers can load: the mean of its last hidden states over the
            tokens that are not padding.
        reports: texts.
        device: where a transformer runs.
        max_tokens: tokens of a report that a transformer reads.

    Raises:
        DataError: an empty report.
        UsageError: a wrong name, or a model without transformers installed.
    """
    if empty := [number for number, text in enumerate(reports) if not text.strip()]:
        raise DataError(
            f"report number {empty[0]} is empty", place="reports of the dataset", fix="give every slide a report"
        )
    kind, _, size = name.partition(":")
    if kind == "hashed":
        if size and not (size.isdigit() and int(size) > 0):
            raise UsageError(f"{size!r} is no width", place="hyper-parameter text", fix="write hashed:1024")
        return hashed(reports, int(size or HASHED_DIM))
    return _transformer(name, reports, device, max_tokens)


def hashed(reports: Sequence[str], dim: int = HASHED_DIM) -> NDArray[np.float32]:
    """Counts of words and pairs of words, hashed with a sign into ``dim`` columns, to length 1."""
    from sklearn.feature_extraction.text import HashingVectorizer

    vectorizer = HashingVectorizer(n_features=dim, ngram_range=NGRAMS, norm="l2", alternate_sign=True)
    vectors: NDArray[np.float32] = vectorizer.transform(list(reports)).toarray().astype(np.float32)
    return vectors


def mean_of_tokens(hidden: Tensor, mask: Tensor) -> Tensor:
    """Mean over the tokens that are not padding: (B, L, P) and (B, L) → (B, P)."""
    weights = mask.to(hidden.dtype).unsqueeze(-1)
    return (hidden * weights).sum(1) / weights.sum(1).clamp(min=1)


def _transformer(name: str, reports: Sequence[str], device: torch.device, max_tokens: int) -> NDArray[np.float32]:
    import torch
    from torch.nn import functional

    tokenizer, model = _load(name, torch.bfloat16 if device.type == "cuda" else torch.float32)
    model.to(device).eval()
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    vectors = []
    with torch.no_grad():
        for start in range(0, len(reports), BATCH):
            tokens = tokenizer(
                list(reports[start : start + BATCH]),
                padding=True,
                truncation=True,
                max_length=max_tokens,
                return_tensors="pt",
            ).to(device)
            hidden = model(**tokens).last_hidden_state.float()
            vectors.append(functional.normalize(mean_of_tokens(hidden, tokens["attention_mask"]), dim=1).cpu())
    result: NDArray[np.float32] = torch.cat(vectors).numpy()
    return result


def _load(name: str, dtype: torch.dtype) -> tuple[Any, Any]:
    """Tokenizer and model by name or folder; no code that comes with a model is run."""
    try:
        from transformers import AutoModel, AutoTokenizer
    except ImportError as error:
        raise UsageError(
            f"the text encoder {name!r} needs the package transformers",
            place="hyper-parameter text",
            fix="pip install 'wsibench[text]', or use --set text=hashed",
        ) from error
    try:
        return AutoTokenizer.from_pretrained(name), AutoModel.from_pretrained(name, torch_dtype=dtype)
    except (OSError, ValueError) as error:
        raise UsageError(
            f"the text encoder {name!r} cannot be loaded: {str(error).splitlines()[0]}",
            place="hyper-parameter text",
            fix="give a model name that transformers knows, a local folder, or hashed",
        ) from error
