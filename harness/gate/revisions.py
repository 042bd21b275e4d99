"""Two revisions of this repository beside each other: git worktrees, an environment for each."""

import hashlib
import json
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

from harness.errors import HarnessError

FOLDER = ".gate"  # in the repository, ignored by git
LOCK = ("pyproject.toml", "constraints.txt")


@dataclass(frozen=True, slots=True)
class Revision:
    """A revision that is checked out, and the Python that runs it."""

    commit: str
    folder: Path
    python: str


def prepare(root: Path, revision: str) -> Revision:
    """Return a revision checked out under ``.gate``, with an environment that fits its lock.

    What an earlier call checked out is used again, compiled kernels included.

    Raises
    ------
    HarnessError
        No such revision; git, or making the environment, failed.
    """
    commit = commit_of(root, revision)
    folder = root / FOLDER / commit[:16]
    if not (folder / ".git").exists():
        git(root, "worktree", "prune")
        git(root, "worktree", "add", "--force", "--detach", str(folder), commit)
    if git(folder, "rev-parse", "HEAD") != commit or git(folder, "status", "--porcelain"):
        raise HarnessError(f"{folder}: is not {commit[:12]} as committed; remove it")
    return Revision(commit, folder, environment_of(root, folder))


def commit_of(root: Path, revision: str) -> str:
    """Return the commit that a revision names.

    Raises
    ------
    HarnessError
        There is none, or git failed.
    """
    return git(root, "rev-parse", "--verify", f"{revision}^{{commit}}")


def present(root: Path) -> str:
    """Return a commit that holds the tracked files as they are now; HEAD where nothing changed.

    ``git stash create`` makes it without touching anything. Files that git does not track are left
    out.
    """
    return git(root, "stash", "create") or "HEAD"


def environment_of(root: Path, folder: Path) -> str:
    """Return the Python for a checkout: this one where the locks are equal, else one made for it.

    Raises
    ------
    HarnessError
        pip failed; its last line is in the message.
    """
    lock = lock_of(folder)
    if lock == lock_of(root):
        return sys.executable
    made = root / FOLDER / f"env-{lock[:16]}"
    python = made / "bin" / "python"
    if not (made / ".installed").exists():
        _run([sys.executable, "-m", "venv", "--clear", str(made)])
        pins = ["--constraint", str(folder / "constraints.txt")]
        _run([str(python), "-m", "pip", "install", "--quiet", *pins, f"{folder}[cpu]"])
        (made / ".installed").write_text(lock + "\n")
    return str(python)


def lock_of(folder: Path) -> str:
    """Return a hash of what decides the environment: pinned versions and declared dependencies."""
    try:
        project = tomllib.loads((folder / LOCK[0]).read_text(encoding="utf-8"))["project"]
        pins = (folder / LOCK[1]).read_text(encoding="utf-8")
    except (OSError, ValueError, KeyError) as error:
        raise HarnessError(f"{folder}: has no readable {' and '.join(LOCK)}: {error!r}") from error
    wanted = [project.get("requires-python"), project.get("dependencies")]
    wanted += [project.get("optional-dependencies", {}).get("cpu")]
    lines = [line for line in pins.splitlines() if line and not line.startswith("#")]
    return hashlib.sha256(json.dumps([wanted, sorted(lines)]).encode()).hexdigest()


def git(folder: Path, *arguments: str) -> str:
    """Return what git says.

    Raises
    ------
    HarnessError
        It failed; its last line is in the message.
    """
    return _run(["git", "-C", str(folder), *arguments])


def _run(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    except FileNotFoundError as error:
        raise HarnessError(f"{command[0]}: not found") from error
    except subprocess.CalledProcessError as error:
        last = (error.stderr or error.stdout).strip().splitlines()[-1:]
        raise HarnessError(f"`{' '.join(command)}` failed: {' '.join(last)}") from error
    return done.stdout.strip()
