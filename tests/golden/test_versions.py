"""Numbers do not change unless a version says so: small trainings of every method, against predictions that were kept.

A method whose predictions differ from ``predictions.json`` has changed, or the harness has: raise ``version`` on the
method's card, or ``TRAINING_VERSION`` in ``harness/api/code_version.py`` where the change concerns all methods,
and write the table again::

    python tests/golden/update.py
"""

from __future__ import annotations

import pytest
from golden.trainings import TOLERANCE, kept, names, predicted, versions


@pytest.mark.parametrize("name", names())
def test_predictions_are_those_of_the_declared_version(name):
    assert name in kept(), f"{name} is not in the table: run tests/golden/update.py"
    before = kept()[name]
    assert before["versions"] == versions(name), f"{name}: a version was changed: run tests/golden/update.py"
    assert predicted(name) == pytest.approx(before["predictions"], abs=TOLERANCE), (
        f"{name} predicts other numbers under the same version: raise it, or mend the change"
    )


def test_the_table_has_no_method_that_is_gone():
    assert set(kept()) == set(names())


def test_the_tolerance_would_notice_another_learning_rate():
    """A tenth of the rate moves the predictions of a small training by more than the tolerance."""
    name = "abmil"
    assert predicted(name, lr=1e-5) != pytest.approx(kept()[name]["predictions"], abs=TOLERANCE)
