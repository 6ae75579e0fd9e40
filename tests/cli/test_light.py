"""Help and listings answer at once: nothing heavy is imported for them."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("torch", "torchvision", "timm", "mlflow", "pandas", "matplotlib", "seaborn", "sklearn", "scipy", "skimage")

PROBE = """
import sys
from harness.cli.main import main
code = main(sys.argv[1:])
loaded = [name for name in {heavy!r} if name in sys.modules]
sys.stderr.write(f"code={{code}} loaded={{loaded}}")
"""


@pytest.mark.parametrize(
    "line",
    [
        "--help",
        "--version",
        "run --help",
        "prepare --help",
        "methods list",
        "test --help",
        "methods show abmilx",
        "datasets list",
        "datasets show musk1",
        "leaderboard --help",
        "compare --help",
        "ui --help",
        "doctor --help",
        "run --method abmil --dataset musk1 --dry-run --fold 0",
    ],
)
def test_no_heavy_library_is_imported(line):
    probe = PROBE.format(heavy=HEAVY)
    done = subprocess.run([sys.executable, "-c", probe, *line.split()], capture_output=True, text=True, timeout=60)
    assert done.stderr.endswith("code=0 loaded=[]"), done.stderr


def test_importing_the_public_face_needs_no_torch():
    text = "import sys, harness; assert 'torch' not in sys.modules; harness.Aggregator; assert 'torch' in sys.modules"
    assert subprocess.run([sys.executable, "-c", text], timeout=60).returncode == 0
