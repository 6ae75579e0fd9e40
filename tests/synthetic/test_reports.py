"""The reports of camelyon16-mini: made by code, true to the slides, and not the label's words."""

from __future__ import annotations

import yaml

from harness.core.resources import package_data
from harness.datasets.dataset import load_dataset
from harness.synthetic.mini import MiniSettings, plan
from harness.synthetic.reports import report_of, reports_csv
from harness.synthetic.settings import build

FOLDER = package_data("datasets") / "camelyon16-mini"


def _shipped() -> MiniSettings:
    card = yaml.safe_load((FOLDER / "card.yaml").read_text())
    return build(MiniSettings, "camelyon16-mini", card["source"]["draw"])


def test_the_shipped_table_is_what_the_code_writes():
    assert (FOLDER / "reports.csv").read_text() == reports_csv(_shipped())


def test_every_slide_has_a_report_that_says_what_is_drawn():
    settings = _shipped()
    texts = {slide.name: report_of(slide, settings) for slide in plan(settings)}
    assert set(texts) == set(load_dataset(FOLDER).slides)
    for slide in plan(settings):
        text = texts[slide.name].lower()
        negative = any(word in text for word in ("free of tumour", "negative for", "reactive lymph node"))
        assert negative == (slide.label == "normal")
        assert slide.name not in text
        assert ("micro" in text or "small" in text or "minimal" in text) >= (slide.metastasis == "micro")


def test_another_seed_words_them_otherwise():
    one, other = (MiniSettings(seed=seed, train_per_class=8, test_per_class=4) for seed in (1, 2))
    assert reports_csv(one) != reports_csv(other)
    assert reports_csv(one) == reports_csv(MiniSettings(seed=1, train_per_class=8, test_per_class=4))
