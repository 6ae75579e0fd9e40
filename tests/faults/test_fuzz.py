"""A fixed slice of the hostile inputs; ``python tests/faults/fuzz.py`` runs as many as are asked for."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).with_name("fuzz.py")


def test_the_program_stands_a_slice_of_hostile_inputs() -> None:
    # A process of its own: the script forks, which a process with threads had better not.
    done = subprocess.run([sys.executable, SCRIPT, "--count", "40"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "40 inputs, 0 faults" in done.stdout
