"""The coupling loop: bag model, distillation, new features, bag model, and so on."""

from __future__ import annotations

import math
import shutil
from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from harness import MethodError, Stage, Task, TileEncoder
from harness.api import EncodedBags, embed_bags, save_embedded
from methods.icmil.bag_models import BagModel, Teacher
from methods.icmil.building import Building
from methods.icmil.distil import Distillation, Student, distil_stage, view
from methods.icmil.snapshots import LaterBags, Snapshots
from methods.icmil.tiles import TilePool

if TYPE_CHECKING:
    from harness import BagSource, Prediction, Run
    from harness.api import PrecomputedFeatures
    from methods.icmil.params import ICMILParams

Scalar = float | int | str | bool | None


@dataclass(frozen=True)
class Round:
    """One embedder and the bag model that was trained on its features.

    Attributes:
        number: t; 0 is the two-stage model before any coupling.
        embedder: B_t, frozen.
        trained_on: slides that it was trained on.
        bag_model: trained on its features.
        scores: validation metrics of the bag model's kept epoch; empty without validation slides.
    """

    number: int
    embedder: TileEncoder
    trained_on: tuple[str, ...]
    bag_model: BagModel
    scores: dict[str, float]

    def predict(self, bags: BagSource, run: Run, kept: PrecomputedFeatures | None = None) -> Prediction:
        """Embedder and bag model in one, on tile bags; ``kept`` takes the features on the way."""
        run.audit(self.trained_on, stage=f"the embedder of round {self.number}")
        return self.bag_model.predict(EncodedBags(bags, self.embedder, run, kept=kept), run)


class Coupling:
    """Everything that one fit makes.

    Args:
        params, task: of the method.
        train: tile bags to learn from.
        val: tile bags to choose by, or None.
        run: the run.

    Raises:
        MethodError: the bags are features already.
    """

    def __init__(self, params: ICMILParams, task: Task, train: BagSource, val: BagSource | None, run: Run) -> None:
        if train.kind != "tiles":
            raise MethodError(
                "the embedder cannot be trained on features", place="method icmil", fix="choose input.kind=tiles"
            )
        self.params, self.task = params, task
        self.train, self.val, self.run = train, val, run
        self.rounds: list[Round] = []
        self.building = Building(params, task, train.scales[0].tile_px, run)
        self._kept_features: PrecomputedFeatures | None = None

    def stages(self) -> Iterator[Stage]:
        """``[warm-up], bag0, distil0, bag1, ... bagT``; features are made between them."""
        embedder, trained_on = yield from self._first_embedder()
        for number in range(self.params.iterations + 1):
            yield from self._bag_stage(number, embedder, trained_on)
            self._note()
            if number == self.params.iterations or not self._goes_on():
                break
            embedder = yield from self._distil(number)
            trained_on = self.train.ids
        self._keep_features()

    @property
    def kept(self) -> Round:
        """The round that predicts: the last, or of equally good ones on validation the first."""
        if self.params.select_iteration == "last" or not self.rounds[0].scores:
            return self.rounds[-1]
        return max(self.rounds, key=lambda one: (one.scores[self.run.metric], -one.number))

    def predict(self, bags: BagSource) -> Prediction:
        """Features of all tiles by the kept embedder, probabilities and attention by its bag model.

        The features join the kept set, if there is one; nothing is ever predicted from what is stored there.

        Raises:
            LeakError: the run is of a fold that does not train on what shaped the embedder.
        """
        return self.kept.predict(bags, self.run, self._kept_features)

    def embed(self, bags: BagSource, embedder: TileEncoder, name: str, trained_on: tuple[str, ...]) -> BagSource:
        """The bags as features, stored as set ``name`` in the scratch folder."""
        with self.run.meter.stage(f"embed_{name}"):
            return embed_bags(
                bags,
                embedder,
                self._folder(name),
                self.run,
                trained_on=trained_on,
                chosen_on=() if self.val is None else self.val.ids,
                batch=self.params.embed_batch,
                dtype="float16" if self.params.feature_dtype == "float16" else "float32",
            )

    def _first_embedder(self) -> Generator[Stage, None, tuple[TileEncoder, tuple[str, ...]]]:
        """B_0: published or drawn weights, or (ours) trained end to end with an attention bag model for a while."""
        if not self.params.warm_epochs:
            return self.building.first_embedder, ()
        model = self.building.warm_model()
        for stage in model.stages(self.train, self.val, self.run):
            yield replace(stage, name="warm")
        trained = model.network.encoder
        assert trained is not None
        return trained.requires_grad_(False).eval(), self.train.ids

    def _bag_stage(self, number: int, embedder: TileEncoder, trained_on: tuple[str, ...]) -> Iterator[Stage]:
        """Train the bag model of one round."""
        bags = [
            None if source is None else self.embed(source, embedder, round_set(number), trained_on)
            for source in (self.train, self.val)
        ]
        assert bags[0] is not None
        model = yield from self._train_bag_model(f"bag{number}", bags[0], bags[1], self.params.epochs)
        # From here on one network from tiles to probabilities.
        model.network.encoder = embedder
        self.rounds.append(Round(number, embedder, trained_on, model, self._scores(f"bag{number}")))

    def _train_bag_model(
        self, name: str, train: BagSource, val: BagSource | None, epochs: int
    ) -> Generator[Stage, None, BagModel]:
        """A bag model on features. First weights and order of slides are the same for all of them."""
        model = self.building.bag_model(epochs)
        for stage in model.stages(train, val, self.run):
            if self.params.warm_start and self.rounds:
                model.network.aggregator.load_state_dict(self.rounds[-1].bag_model.network.aggregator.state_dict())
            yield replace(stage, name=name)
        return model

    def _distil(self, number: int) -> Generator[Stage, None, TileEncoder]:
        """Train the next embedder with the last bag model as teacher; nothing else of the student is kept."""
        params, last = self.params, self.rounds[-1]
        teacher = Teacher.of(last.bag_model.network.aggregator, mix=params.confidence)
        student = Student(last.embedder, teacher)
        augment = view(params, self.train.scales[0].tile_px)
        pools = [
            None
            if source is None
            else TilePool(source, self.embed(source, last.embedder, round_set(number), last.trained_on))
            for source in (self.train, self.val)
        ]
        assert pools[0] is not None
        work = Distillation(params, teacher, student, augment)
        evaluated = params.distil_select == "bag_model" and self.val is not None and self.run.select == "best"
        snapshots = Snapshots(self.run.workdir / f"snapshots{number}", student.embedder) if evaluated else None
        stage = distil_stage(f"distil{number}", work, pools[0], pools[1], self.run, snapshots=snapshots)
        yield stage
        if snapshots is not None:
            return (yield from self._best_snapshot(number, snapshots, stage.epochs))
        return student.embedder.requires_grad_(False).eval()

    def _best_snapshot(self, number: int, snapshots: Snapshots, count: int) -> Generator[Stage, None, TileEncoder]:
        """The student whose features a bag model, trained again for a few epochs, scores best with on validation."""
        merits: list[tuple[float, float]] = []
        for k in range(count):
            name = f"snapshot{number}_{k}"
            embedder = snapshots.embedder(k).to(self.run.device)
            bags = [
                None if source is None else self._later(source, embedder, name) for source in (self.train, self.val)
            ]
            assert bags[0] is not None
            yield from self._train_bag_model(name, bags[0], bags[1], self.params.snapshot_epochs)
            # Its scores are all that is wanted of it, and features take space.
            shutil.rmtree(self._folder(name), ignore_errors=True)
            scores = self._scores(name)
            value = scores[self.run.metric]
            merits.append((-math.inf if math.isnan(value) else value, -scores["loss"]))
        best = merits.index(max(merits))
        self.run.facts[f"distil{number}"] |= {"kept_snapshot": best}
        return snapshots.embedder(best).to(self.run.device)

    def _later(self, source: BagSource, embedder: TileEncoder, name: str) -> BagSource:
        return LaterBags(source, embedder.dim, lambda: self.embed(source, embedder, name, self.train.ids))

    def _keep_features(self) -> None:
        """Let the kept round's features outlive the scratch space; features by published weights can be made again."""
        kept = self.kept
        if self.params.keep_features and kept.trained_on:
            # They are there, unless a memory fallback has changed the precision since.
            for source in (self.train, self.val):
                if source is not None:
                    self.embed(source, kept.embedder, round_set(kept.number), kept.trained_on)
            self._kept_features = save_embedded(self._folder(round_set(kept.number)), self.run)

    def _folder(self, name: str) -> Path:
        """Where feature set ``name`` is kept."""
        return self.run.workdir / name

    def _scores(self, name: str) -> dict[str, float]:
        """Validation metrics of the epoch whose weights stage ``name`` kept."""
        best = self.run.facts[name]["best_epoch"]
        row = next(row for row in self.run.curve if row["stage"] == name and row["epoch"] == best)
        return {key.removeprefix("val_"): float(value) for key, value in row.items() if key.startswith("val_")}

    def _goes_on(self) -> bool:
        """Whether another round is due: always, or as long as validation gets better."""
        if self.params.select_iteration == "last" or len(self.rounds) < 2:
            return True
        return self.kept is self.rounds[-1]

    def _note(self) -> None:
        """Leave for the record what coupling did to the bag model on validation slides."""
        facts: dict[str, Scalar] = {"rounds": len(self.rounds) - 1, "kept_round": self.kept.number}
        for one in self.rounds:
            facts |= {f"val_{name}_round{one.number}": value for name, value in one.scores.items()}
        self.run.facts["coupling"] = facts


def round_set(number: int) -> str:
    """Name of the feature set of a round."""
    return f"icmil_round{number}"
