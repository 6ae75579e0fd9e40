"""What a verification comes to."""

from __future__ import annotations

from harness.verification.finding import CODES, Finding, Verification


def test_a_finding_weighs_more_than_what_could_not_be_checked() -> None:
    finding = Finding.of("score", "unit, record.json", "auc is not that of the predictions", 0.5, 0.25)
    assert (finding.shown, finding.true) == ("0.5", "0.25")
    assert finding.code in CODES
    assert Verification("a").status == "verified"
    assert Verification("a", unchecked=("no card",)).status == "cannot be checked"
    found = Verification("a", (finding, finding), ("no card",))
    assert found.status == "unverified"
    assert found.reason == "unit, record.json: auc is not that of the predictions, and 1 more"
