"""``noise.json``: the noise floor beside the records of a results folder."""

from pathlib import Path

from harness.errors import RecordError
from harness.noise_floor import NoiseFloor

NAME = "noise.json"


def write_floor(folder: Path, floor: NoiseFloor) -> Path:
    """Write the floor of a folder so that a reader sees the whole file or the one before."""
    path = folder / NAME
    partial = path.with_suffix(".partial")
    partial.write_text(floor.to_json() + "\n", encoding="utf-8")
    partial.replace(path)
    return path


def read_floor(path: Path) -> NoiseFloor:
    """Return the floor of a file, or of a folder that holds ``noise.json``.

    Raises
    ------
    RecordError
        No such file, or one that is no noise floor; names the file.
    """
    file = path / NAME if path.is_dir() else path
    try:
        return NoiseFloor.from_json(file.read_text(encoding="utf-8"))
    except OSError as error:
        message = f"{file}: cannot be read: {error.strerror}; `matchbench noise SUITE` makes it"
        raise RecordError(message) from error
    except (RecordError, UnicodeDecodeError) as error:
        raise RecordError(f"{file}: {error}") from error


def find_floor(folder: Path) -> NoiseFloor | None:
    """Return the floor that lies in a results folder, or None where there is none."""
    return read_floor(folder) if (folder / NAME).is_file() else None
