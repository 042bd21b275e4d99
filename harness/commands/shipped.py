"""Where the shipped suites lie."""

from pathlib import Path

import harness


def suite_folders() -> list[Path]:
    """Return where shipped suites lie: beside the packages of this checkout."""
    return [Path(harness.__file__).resolve().parent.parent / "suites"]
