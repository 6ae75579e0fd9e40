"""The one training loop: every stage of every method is trained here."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from itertools import chain
from typing import Any

import torch
from torch import Tensor

from harness.api.stage import Stage, further, scalar
from harness.core import console
from harness.core.errors import MethodError
from harness.training.checkpoint import Checkpoints
from harness.training.context import Context
from harness.training.ema import Average
from harness.training.memory.probe import keep_within_memory
from harness.training.selection import Selection
from harness.training.watching import undisturbed


def train_stage(stage: Stage, run: Context) -> None:
    """Train ``stage``, continuing from its last checkpoint; its module ends with the chosen weights."""
    checkpoints = Checkpoints(run.workdir, stage.name, interval=run.checkpoint_seconds, fold=run.fold)
    stage.check_devices(run.ranks.world)
    outcome = checkpoints.outcome()
    if outcome is None:
        trainer = _Trainer(stage, run, checkpoints)
        with run.meter.stage(stage.name), run.memory.enforced(run.device):
            outcome = trainer.train()
        if run.ranks.first:
            checkpoints.finish(outcome)
        run.save_meter()
    stage.module.load_state_dict(outcome["weights"])
    stage.module.eval()
    run.curve += outcome["curve"]
    run.facts[stage.name] = outcome["facts"]


class _Trainer:
    """The state of one stage while it is trained. All of it is in the checkpoint."""

    def __init__(self, stage: Stage, run: Context, checkpoints: Checkpoints) -> None:
        self.stage = stage
        self.run = run
        self.checkpoints = checkpoints
        self.epoch = 0
        self.step = 0
        self.loss_sum = 0.0
        self.logged: dict[str, float] = {}
        self.curve: list[dict[str, float | str]] = []
        self.average = Average(stage.module, stage.ema_decay) if stage.ema_decay is not None else None
        kinds = ("raw", "ema") if self.average else ("raw",)
        self.selections = {kind: Selection.of(stage) for kind in kinds}
        self.chosen = stage.weights if self.average else "raw"
        self.scaler = self._new_scaler()
        self.base_lrs = [[group["lr"] for group in optimizer.param_groups] for optimizer in stage.optimizers]
        self.resumed_at: float | None = None
        self.probed = False

    def train(self) -> dict[str, Any]:
        """Run the epochs that are left and return the outcome."""
        if (state := self.checkpoints.read()) is not None:
            with self.checkpoints.fitting():
                self._load(state)
        stage = self.stage
        self._check_alike()
        label = f"{self.run.label} {stage.name}".strip()
        with console.progress(label, stage.epochs * stage.steps_per_epoch, status=self._status()) as bar:
            bar.advance(self.epoch * stage.steps_per_epoch + self.step)
            while self.epoch < stage.epochs and not self._out_of_patience():
                self._train_epoch(bar)
                self._end_epoch()
                bar.advance(0, status=self._status())
        return self._outcome()

    def _train_epoch(self, bar: console.Bar) -> None:
        stage, ranks = self.stage, self.run.ranks
        stage.module.train()
        for batch in self._within_memory(stage.batches(self.epoch, self.step)):
            self._set_learning_rate()
            result = self._forward(batch)
            loss = scalar(result)
            loss_weight = stage.loss_weight(batch) if stage.loss_weight is not None else 1.0
            mean = ranks.weighted({"loss": float(loss.detach())}, loss_weight)["loss"]
            self._check(mean)
            # Gradients of all ranks are added up: each brings the part that its bags have in the mean.
            loss = (loss * loss_weight if ranks.several else loss) / stage.divisor(self.step)
            torch.autograd.backward(self.scaler.scale(loss))
            self.loss_sum += mean
            logged = {name: float(value.detach()) for name, value in further(result).items()}
            for name, number in ranks.weighted(logged, loss_weight).items() if logged else ():
                self.logged[name] = self.logged.get(name, 0.0) + number
            self.step += 1
            if self.step % stage.accumulate == 0 or self.step == stage.steps_per_epoch:
                self._update()
                self._checkpoint()
            bar.advance(1)

    def _forward(self, batch: Any) -> Tensor | Mapping[str, Tensor]:
        """The loss of a batch; its draws are a function of the stage, the epoch and the step."""
        self.run.seed("dropout", self.stage.name, self.epoch, self.step, *self._own_draws)
        with self.run.autocast():
            return self.stage.loss(batch)

    def _within_memory(self, batches: Iterable[Any]) -> Iterator[Any]:
        """``batches``, before the first of which the stage is made to fit into memory."""
        coming = iter(batches)
        if not self.probed:
            self.probed = True
            for first in coming:
                keep_within_memory(self.stage, first, self._try, self._scaler_restored, self.run)
                coming = chain([first], coming)
                break
        yield from coming

    def _try(self, batch: Any) -> None:
        """A training step without what ranks tell each other, logs and averages."""
        loss = scalar(self._forward(batch))
        torch.autograd.backward(self.scaler.scale(loss))
        self._step_optimizers()

    def _scaler_restored(self) -> Callable[[], None]:
        """Note the state of the scaler, and return what brings it back, from amid a step too."""
        state = self.scaler.state_dict()

        def restore() -> None:
            self.scaler = self._new_scaler()
            self.scaler.load_state_dict(state)

        return restore

    def _new_scaler(self) -> torch.amp.GradScaler:
        return torch.amp.GradScaler(self.run.device.type, enabled=self.run.precision == "fp16")

    def _update(self) -> None:
        stage = self.stage
        self.run.ranks.add_gradients(
            p for one in stage.optimizers for group in one.param_groups for p in group["params"]
        )
        self._step_optimizers()
        if self.average is not None:
            self.average.update(stage.module)

    def _step_optimizers(self) -> None:
        stage = self.stage
        clip = stage.clip_grad_norm
        limits = clip if isinstance(clip, Sequence) else [clip] * len(stage.optimizers)
        for optimizer, limit in zip(stage.optimizers, limits, strict=True):
            if limit is not None:
                self.scaler.unscale_(optimizer)
                held = [p for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
                torch.nn.utils.clip_grad_norm_(held, limit)
            self.scaler.step(optimizer)
        self.scaler.update()
        for optimizer in stage.optimizers:
            optimizer.zero_grad(set_to_none=True)

    def _set_learning_rate(self) -> None:
        factor = self.stage.schedule(self.epoch + self.step / self.stage.steps_per_epoch)
        for optimizer, lrs in zip(self.stage.optimizers, self.base_lrs, strict=True):
            for group, lr in zip(optimizer.param_groups, lrs, strict=True):
                group["lr"] = lr * factor

    @property
    def _own_draws(self) -> tuple[int, ...]:
        """What tells this rank's draws from those of the others; nothing for rank 0, which draws as one alone would."""
        return (self.run.ranks.rank,) if self.run.ranks.rank else ()

    def _check_alike(self) -> None:
        """See that no rank has gone astray."""
        place = ("stage", self.stage.name, "epoch", self.epoch, "step", self.step)
        self.run.ranks.check_alike(self.stage.module.state_dict(), *place)

    def _check(self, loss: float) -> None:
        if not math.isfinite(loss):
            raise MethodError(
                f"the loss is {loss}",
                place=f"stage {self.stage.name}, epoch {self.epoch}, step {self.step}",
                fix="lower the learning rate (--set lr=...), clip gradients, or check the features for NaN",
            )

    def _end_epoch(self) -> None:
        stage = self.stage
        row: dict[str, float | str] = {
            "stage": stage.name,
            "epoch": self.epoch,
            "loss": self.loss_sum / max(self.step, 1),
            "lr": stage.optimizers[0].param_groups[0]["lr"],
        }
        row |= {name: total / max(self.step, 1) for name, total in self.logged.items()}
        last = self.epoch + 1 == stage.epochs
        row |= self._validate("raw", last)
        if self.average is not None:
            with self.average.applied_to(stage.module):
                row |= self._validate("ema", last)
        self._watch()
        self.curve.append(row)
        self.epoch, self.step, self.loss_sum, self.logged = self.epoch + 1, 0, 0.0, {}
        self._check_alike()
        self._checkpoint()

    def _checkpoint(self) -> None:
        if self.run.ranks.first and self.checkpoints.due:
            self.checkpoints.write(self._state())
            self.run.save_meter()

    def _validate(self, kind: str, last: bool) -> dict[str, float]:
        """Metrics of the module as it is now; the module's mode is left as it was."""
        module = self.stage.module
        metrics: Mapping[str, float] = {}
        if self.stage.validate is not None:
            module.eval()
            with torch.no_grad(), self.run.autocast():
                metrics = self.run.ranks.of_first(self.stage.validate())
            module.train()
        self.selections[kind].see(self.epoch, metrics, module, last=last)
        prefix = "val_" if kind == "raw" else "val_ema_"
        return {prefix + name: value for name, value in metrics.items()}

    def _watch(self) -> None:
        """Show the weights of this epoch, as they are reported, to whoever watches."""
        if self.run.watch is None:
            return
        module, averaged = self.stage.module, self.average if self.chosen == "ema" else None
        with undisturbed(module, self.run.device), averaged.applied_to(module) if averaged else nullcontext():
            self.run.watch(self.stage.name, self.epoch)

    def _out_of_patience(self) -> bool:
        selection = self.selections[self.chosen]
        if self.stage.patience is None or selection.metric == "last" or self.epoch < self.stage.min_epochs:
            return False
        if selection.epoch < 0:  # select_from lies ahead
            return False
        return self.epoch - 1 - selection.epoch >= self.stage.patience

    def _status(self) -> str:
        if not self.curve:
            return ""
        row = self.curve[-1]
        shown = [f"loss {row['loss']:.3f}"]
        selection = self.selections[self.chosen]
        if selection.best is not None:
            shown.append(f"best {selection.metric} {selection.best:.3f} (epoch {selection.epoch})")
        return ", ".join(shown)

    def _outcome(self) -> dict[str, Any]:
        selection = self.selections[self.chosen]
        facts = {
            "epochs": self.epoch,
            "best_epoch": selection.epoch,
            "selected_by": selection.criterion,
            "best_value": selection.best,
            "weights": self.chosen,
            "resumed_at_epoch": self.resumed_at,
        }
        for kind, other in self.selections.items():
            if self.average is not None and other.best is not None:
                facts[f"best_{kind}"] = other.best
        return {"weights": selection.weights, "curve": self.curve, "facts": facts}

    def _state(self) -> dict[str, Any]:
        return {
            "epoch": self.epoch,
            "step": self.step,
            "loss_sum": self.loss_sum,
            "logged": dict(self.logged),
            "curve": self.curve,
            "module": self.stage.module.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self.stage.optimizers],
            "scaler": self.scaler.state_dict(),
            "average": self.average.values if self.average else {},
            "selections": {kind: selection.state() for kind, selection in self.selections.items()},
            "extra_state": self.stage.extra_state.state_dict() if self.stage.extra_state else {},
        }

    def _load(self, state: Mapping[str, Any]) -> None:
        self.epoch, self.step = state["epoch"], state["step"]
        self.loss_sum, self.curve = state["loss_sum"], list(state["curve"])
        self.logged = dict(state["logged"])
        self.stage.module.load_state_dict(state["module"])
        for optimizer, saved in zip(self.stage.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        self.scaler.load_state_dict(state["scaler"])
        if self.average is not None:
            self.average.load(state["average"])
        for kind, saved in state["selections"].items():
            self.selections[kind].load(saved)
        if self.stage.extra_state is not None:
            self.stage.extra_state.load_state_dict(state["extra_state"])
        self.resumed_at = self.epoch + self.step / self.stage.steps_per_epoch
