"""Distillation: the bag model teaches the embedder, tile by tile."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from harness import Run, Stage, TileEncoder
from harness.api import Augment, encode_in_chunks
from methods.icmil.bag_models import Teacher
from methods.icmil.losses import Losses, confidence, coupling_losses
from methods.icmil.params import ICMILParams
from methods.icmil.snapshots import Snapshots
from methods.icmil.tiles import TileBatch, TileLoader, TilePool


class Student(nn.Module):
    """Embedder B', reducer D' and classifier c', all trainable, equal to the teacher's at the start.

    Args:
        embedder: B_t; copied.
        teacher: its heads are copied.
    """

    def __init__(self, embedder: TileEncoder, teacher: Teacher) -> None:
        super().__init__()
        self.embedder = copy.deepcopy(embedder).requires_grad_(True)
        self.reducer = copy.deepcopy(teacher.reducer).requires_grad_(True)
        self.classifier = copy.deepcopy(teacher.classifier).requires_grad_(True)

    def forward(self, tiles: Tensor) -> Tensor:
        """Tiles (n, 3, H, W), 0..255 → logits (n, C)."""
        features = encode_in_chunks(self.embedder.encode, tiles, 0, module=self.embedder, recompute=False)
        logits: Tensor = self.heads(features)[1]
        return logits

    def heads(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Features (n, D) → hidden (n, d) and logits (n, C)."""
        hidden = self.reducer(features)
        return hidden, self.classifier(hidden)


@dataclass(frozen=True)
class Distillation:
    """One round of it.

    The teacher's embedder is not run: its features of the unaltered training tiles are those that its bag model was
    trained on, and are read from there.

    Attributes:
        params: hyper-parameters.
        teacher: heads of the bag model.
        student: what is trained.
        augment: the student's view: mirrored, then a random resized crop.
    """

    params: ICMILParams
    teacher: Teacher
    student: Student
    augment: Augment

    def losses(self, batch: TileBatch) -> Losses:
        """The loss of a batch; see :func:`methods.icmil.losses.coupling_losses`."""
        hidden, logits = self.teacher(batch.features)
        beta = self.params.sharpness
        tied_hidden, tied_logits = self.student.heads(batch.features)
        return coupling_losses(
            teacher_hidden=hidden,
            teacher_logits=logits,
            student_logits=self.student(self.augment(batch.tiles, batch.seed)),
            tied_hidden=tied_hidden,
            tied_logits=tied_logits,
            alpha=self.params.alpha,
            reduction=self.params.kl_reduction,
            weights=None if beta is None else confidence(self.teacher.attention(hidden), beta),
        )

    @torch.no_grad()
    def disagreement(self, batch: TileBatch) -> Tensor:
        """``Σ |p_T - p_S|`` over tiles and classes, teacher on the tile and student on its augmented view."""
        target = self.teacher(batch.features)[1].softmax(-1)
        predicted = self.student(self.augment(batch.tiles, batch.seed)).softmax(-1)
        gap: Tensor = (target.float() - predicted.float()).abs().sum()
        return gap


def view(params: ICMILParams, tile_px: int) -> Augment:
    """The student's view of a tile."""
    return Augment("strong", tile_px, params.crop_min)


def distil_stage(
    name: str,
    work: Distillation,
    train: TilePool,
    val: TilePool | None,
    run: Run,
    *,
    snapshots: Snapshots | None = None,
) -> Stage:
    """The stage that trains the student.

    An epoch of the stage is the stretch between two comparisons with the teacher; ``distil_steps`` is rounded up to
    whole ones.

    Args:
        name: unique within the method.
        work: teacher and student.
        train: tiles of training slides, the only ones that are learned from.
        val: tiles of validation slides, for the comparison; None where there are none.
        run: the run.
        snapshots: take the embedder at every comparison; None keeps none.
    """
    params, student = work.params, work.student
    steps = -(-params.distil_steps // params.distil_checks)
    best = params.distil_select == "agreement" and val is not None and run.select == "best"
    parts: tuple[nn.Module, ...] = (student.embedder, student.reducer, student.classifier)
    epochs = -(-params.distil_steps // steps)

    def validate() -> dict[str, float]:
        if snapshots is not None:
            snapshots.take()
        return {"disagreement": mean_disagreement(name, work, val, run)} if val is not None else {}

    return Stage(
        name=name,
        module=student,
        batches=TileLoader(train, name, run, params.distil_batch, steps),
        steps_per_epoch=steps,
        loss=lambda batch: work.losses(batch)._asdict(),
        optimizers=[
            torch.optim.Adam(part.parameters(), lr=params.distil_lr, weight_decay=params.distil_weight_decay)
            for part in parts
        ],
        epochs=epochs,
        schedule=step_schedule(params.distil_decay, params.distil_decay_at * epochs),
        validate=validate,
        select_by="disagreement" if best else "last",
        maximise=False,
        # The code clips the two heads and leaves the embedder's gradient alone.
        clip_grad_norm=(None, params.distil_clip, params.distil_clip),
        extra_state=snapshots,
    )


def step_schedule(factor: float, since: float) -> Callable[[float], float]:
    """1 before epoch ``since``, ``factor`` from there on."""
    return lambda progress: factor if progress >= since - 1e-9 else 1.0


def mean_disagreement(name: str, work: Distillation, val: TilePool, run: Run) -> float:
    """Mean absolute difference of soft labels on a sample of tiles that is the same at every comparison."""
    total, elements = 0.0, 0
    for batch in _sample(name, work.params, val, run):
        total += float(work.disagreement(batch))
        elements += len(batch.tiles) * work.teacher.classifier.out_features
    return total / elements


def _sample(name: str, params: ICMILParams, val: TilePool, run: Run) -> Iterator[TileBatch]:
    wanted = min(params.distil_val_tiles, len(val))
    rows = run.seeds.numpy("sample", name, "validation").permutation(len(val))[:wanted]
    for start in range(0, wanted, params.embed_batch):
        seed = run.seeds.seed("augment", name, "validation", start)
        yield val.read(rows[start : start + params.embed_batch], seed).to(run.device)
