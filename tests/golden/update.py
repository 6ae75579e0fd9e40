"""Write the table of kept predictions again, after a version was raised: ``python tests/golden/update.py``."""

from __future__ import annotations

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from golden.trainings import TABLE, names, predicted, versions


def main() -> None:
    """Train every method once and keep what it predicts."""
    table = {name: {"versions": versions(name), "predictions": predicted(name)} for name in names()}
    rows = ",\n".join(f"{json.dumps(name)}: {json.dumps(row)}" for name, row in table.items())
    TABLE.write_text(f"{{\n{rows}\n}}\n")


if __name__ == "__main__":
    main()
