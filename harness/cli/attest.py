"""``bench attest``: sign a study, so that a reviewer can tell who stands behind its numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli.completion import offer
from harness.cli.options import Out, Plugins
from harness.cli.stored import stored_study
from harness.core import console


def attest(
    study: Annotated[
        str, typer.Argument(help="Its id, a beginning of it, or of its hash.", autocompletion=offer("studies"))
    ],
    key: Annotated[
        Path | None,
        typer.Option(help="Ed25519 key in PEM (default: ~/.config/wsibench/attest-key.pem, made if need be)."),
    ] = None,
    out: Out = None,
    plugin: Plugins = None,
) -> None:
    """Sign the units, split, code and predictions of a complete study, and the access log as it is now.

    The statement lies in the study's folder, goes into its bundle, and is checked by bench verify.
    """
    from harness.bundles.attestation import attest as write
    from harness.bundles.attestation import check_signed
    from harness.bundles.keys import default_key, make_key
    from harness.core.errors import DataError
    from harness.results.store import RunStore
    from harness.results.verified import verify_study

    store = RunStore(out or Path("runs"))
    found = stored_study(store, study, place="bench attest, STUDY")
    checked = verify_study(store, found, deep=True)
    if checked.findings:
        raise DataError(
            f"the study is not verified, and is not signed: {checked.reason}",
            place=found.study_id,
            fix=f"bench verify {found.study_id} says what differs",
        )
    path = key or default_key()
    if key is None and not path.exists():
        make_key(path)
        console.say(f"made a key: {path}; keep it private, and publish {path.with_suffix('.pub')}")
    signed = write(store, found, path)
    console.say(f"signed by {check_signed(store, found)}: {signed}")
