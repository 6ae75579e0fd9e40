"""What is on the site: the templates show it, ``leaderboard.json`` is it, ``schema.json`` follows from the fields."""

from __future__ import annotations

from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from harness.results.metric_labels import label

VERSION = 2
"""Version of the layout of leaderboard.json; raised when a field changes its meaning or goes."""


class Part(BaseModel):
    """A part of the content: immutable, without further fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Score(NamedTuple):
    """A score of a study: metric, value, limits of its 95 % interval over patients, standard deviation over units.

    Numbers that are undefined are null.
    """

    metric: str
    value: float | None
    low: float | None
    high: float | None
    std_folds: float | None

    @property
    def label(self) -> str:
        """How the metric is written in headings."""
        return label(self.metric)


class Estimate(NamedTuple):
    """The mean over the units of a study, and the limits of its 95 % bootstrap interval; null for one unit."""

    mean: float
    low: float | None
    high: float | None


class Cost(Part):
    """What a study used. Hours are those of all its units together."""

    resource: str = Field(description="GPU-hours, or CPU-hours where no GPU was used")
    hours: float | None = Field(description="training and predicting, without tuning; null where unknown")
    tuning_hours: float | None = Field(
        description="device time of all trials of the tuning, by the clock on a CPU; null where not tuned"
    )
    hours_with_tuning: float | None
    shared_hours: float | None = Field(description="making the features, spent once for all studies that use them")
    shared_resource: str = Field(description="unit of shared_hours; empty where there is none")
    per_unit: Estimate | None = Field(description="hours of one unit (one training)")
    memory_mb: float | None = Field(
        description="largest peak memory of any unit in 10^6 bytes, on the device it ran on"
    )
    memory_per_unit: Estimate | None
    hardware: str = Field(description="names of the devices")
    trials: int | None = Field(description="trials of the tuning, all folds together; null where not tuned")


class Badge(Part):
    """What a reader should know of the evidence before trusting a number."""

    kind: str = Field(description="good, plain, warning or bad")
    text: str
    reason: str = Field(description="one sentence")


class Unit(NamedTuple):
    """A unit, one training tested on one fold: repeat, fold, seed, number of test slides, and the score.

    The score is that of the metric that the board ranks by; null where it is undefined.
    """

    repeat: int
    fold: int
    seed: int
    slides: int
    value: float | None


class SiteScore(Part):
    """The score on the slides of one site (hospital)."""

    site: str
    slides: int
    value: float | None


class Setting(Part):
    """A setting of a study, in words."""

    name: str
    value: str


class Entry(Part):
    """A study on a board."""

    study: str
    page: str = Field(description="its page, relative to the folder of the site")
    method: str
    rank: int | None = Field(
        description="one more than the number of studies that are better and differ; shared by those that do not "
        "differ; null where it is not ranked"
    )
    place: int | None = Field(description="place by the score alone")
    rank_low: int | None = Field(description="best rank of the 95 % interval under resampling of patients")
    rank_high: int | None = Field(description="worst rank of the interval")
    ties: str = Field(description="tie groups; two studies that share a letter do not differ. Empty without any")
    not_ranked: str = Field(description="why it is not ranked; empty where it is")
    scores: tuple[Score, ...] = Field(description="the first one is what the board ranks by")
    cost: Cost
    units_done: int
    units_planned: int | None
    accesses: int | None = Field(description="how often test labels were used; null where unknown")
    supervision: str = Field(description="what was learnt from: slides, reports, masks")
    encoder: str = Field(description="empty where features or numbers come with the dataset")
    resolution: str = Field(description="in microns per pixel; empty where unknown")
    pretraining: str = Field(
        description="whether the encoder has seen the test slides, and its known pre-training data; empty if unknown"
    )
    input_differs: str = Field(description="in what the input differs from the method's published one")
    preset: str
    differs_in: str = Field(description="settings in which studies of the same method differ")
    badges: tuple[Badge, ...]
    params: dict[str, str] = Field(description="what the method was run with, in words")
    command: str = Field(description="what to type to run the study again")
    units: tuple[Unit, ...]
    sites: tuple[SiteScore, ...] = Field(description="empty where the sites of slides are not known")
    finished: str = Field(description="when its last unit was finished, ISO 8601")

    @property
    def score(self) -> Score:
        """What the board ranks by."""
        return self.scores[0]


class Published(Part):
    """A score from elsewhere, beside ours where that method is on the board."""

    method: str = Field(description="as the source names it")
    our_method: str = Field(description="its name here, with settings that make it so; empty where it is not built in")
    metric: str
    label: str
    value: float
    spread: float | None
    kind: str
    source: str
    protocol: str
    ours: float | None
    our_study: str
    our_page: str
    difference: str = Field(description="in what the two protocols differ, in words")


class Board(Part):
    """Studies that compare: one dataset with one content, one protocol with one split."""

    name: str = Field(description="name of its page, without the ending")
    dataset: str
    protocol: str
    title: str = Field(description="the protocol in one line")
    protocol_words: str = Field(description="how it splits, selects, decides and scores, in words")
    split_sha256: str
    dataset_fingerprint: str
    task: str
    metric: str
    label: str
    lower_is_better: bool
    slides: int = Field(description="test slides, all folds together")
    patients: int
    entries: tuple[Entry, ...]
    published: tuple[Published, ...]
    tied: bool = Field(description="whether tie groups could be made")


class MeanRank(Part):
    """A method over the boards of the overview."""

    method: str
    mean_rank: float
    ranks: tuple[float, ...] = Field(description="on each board, in their order")


class Overview(Part):
    """Methods over several datasets, by mean rank."""

    boards: tuple[str, ...] = Field(description="names of the boards that are compared over")
    methods: tuple[MeanRank, ...] = Field(description="those that ran on all of them, by mean rank")
    left_out: tuple[str, ...] = Field(description="methods that did not run on all of them")
    refused: str = Field(description="why there is no critical difference; empty where there is one")
    distance: float | None = Field(description="critical difference of mean ranks (Nemenyi)")
    friedman_p: float | None
    groups: tuple[tuple[str, ...], ...] = Field(description="sets of methods that do not differ")


class Content(Part):
    """Everything that the site shows."""

    version: int = Field(default=VERSION, description="of the layout; raised when a field changes its meaning or goes")
    wsibench: str = Field(description="version that built the site")
    title: str = Field(description="of the site")
    boards: tuple[Board, ...] = Field(description="studies that compare, together")
    overview: Overview
    damaged: tuple[Setting, ...] = Field(description="evidence that cannot be read: name and reason")
