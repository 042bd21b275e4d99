"""What a number was measured on: machine, library versions, and the revision of this code."""

import functools
import hashlib
import importlib.machinery
import importlib.metadata
import importlib.util
import platform
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

import psutil

from harness.errors import HarnessError
from harness.measure.cpus import parse_cpus

PACKAGES = ("harness", "methods")
CODE = (".py", *importlib.machinery.EXTENSION_SUFFIXES)
LIBRARIES = (
    "numpy", "numba", "scipy", "torch", "faiss-cpu", "faiss-gpu", "hnswlib", "scann",
    "pyseismic-lsr", "pandas",
)  # fmt: skip
# What cannot change a measurement does not make a measurement stale.
PRESENTATION = (
    "cli.py",
    "console.py",
    "commands/",
    "__main__.py",
    "compare/",
    "exchange/",
    "gate/",
    "report/",
    "store/",
    "testing.py",
)


def describe_machine() -> Mapping[str, str | int | bool | None]:
    """Return what this machine is: facts that stay the same, as two runs compare them.

    What may differ from hour to hour (governor, load, free memory) is for `harness.measure.quiet`.
    """
    return {
        "cpu": _cpu_model(),
        "cores": psutil.cpu_count(logical=False) or 0,
        "logical_cpus": psutil.cpu_count() or 0,
        "smt": _has_smt(),
        "numa_nodes": _numa_nodes(),
        "virtual": _is_virtual(),
        "memory_bytes": psutil.virtual_memory().total,
        "system": platform.system(),
    }


def describe_environment() -> Mapping[str, str]:
    """Return the version of Python and of each library that does measured work."""
    found = {"python": platform.python_version()}
    for name in LIBRARIES:
        version = _version(name)
        if version is not None:
            found[name] = version
    return found


def check_faiss() -> None:
    """Refuse an environment with both faiss wheels.

    Raises
    ------
    HarnessError
        Both are installed: they write the same files, so which one runs is an accident.
    """
    if _version("faiss-cpu") and _version("faiss-gpu"):
        raise HarnessError(
            "faiss-cpu and faiss-gpu are both installed; they overwrite each other's files. "
            "Run `pip uninstall faiss-cpu faiss-gpu`, then install one of the extras: "
            "matchbench[cpu] or matchbench[gpu]"
        )


@functools.cache
def commit() -> str:
    """Return the git revision of this code, ``+dirty`` when changed since; "unknown" without."""
    try:
        head = _git("rev-parse", "HEAD")
        changed = _git("status", "--porcelain", "--", "harness", "methods")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return f"{head}+dirty" if changed else head


@functools.cache
def code_hash() -> str:
    """Return a hash of every source file that can change a measurement."""
    files = []
    for package in PACKAGES:
        folder = package_folder(package)
        for path in folder.rglob("*.py"):
            name = path.relative_to(folder).as_posix()
            if package == "methods" or not name.startswith(PRESENTATION):
                files.append((f"{package}/{name}", path))
    return _hash_of(files)


@functools.cache
def module_hash(name: str) -> str:
    """Return a hash of the code of a top-level package or module, without importing it.

    Of a package all Python sources and compiled modules count, in every folder it is spread over.
    """
    spec = importlib.util.find_spec(name)
    if spec is None:
        return "unknown"
    if spec.submodule_search_locations is None:
        return "unknown" if spec.origin is None else _hash_of([(name, Path(spec.origin))])
    folders = [Path(one) for one in spec.submodule_search_locations]
    return _hash_of(
        [
            (one.relative_to(folder).as_posix(), one)
            for folder in folders
            for one in folder.rglob("*")
            if one.name.endswith(CODE) and one.is_file()
        ]
    )


def _hash_of(files: Iterable[tuple[str, Path]]) -> str:
    digest = hashlib.sha256()
    for name, path in sorted(files):
        digest.update(name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def package_folder(package: str) -> Path:
    """Return the folder that a package of ours was loaded from."""
    spec = importlib.util.find_spec(package)
    assert spec is not None, "this code is part of it"
    assert spec.origin is not None, "both packages have an __init__"
    return Path(spec.origin).resolve().parent


def _git(*arguments: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(package_folder("harness").parent), *arguments],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _has_smt() -> bool | None:
    """Return whether cores run several threads; None where the system does not say."""
    try:
        return Path("/sys/devices/system/cpu/smt/active").read_text().strip() == "1"
    except OSError:
        return None


def _numa_nodes() -> int | None:
    try:
        return len(parse_cpus(Path("/sys/devices/system/node/online").read_text()))
    except OSError:
        return None


def _is_virtual() -> bool:
    """Return whether a hypervisor runs this machine: others may then take its time unseen."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return False
    return any(line.startswith("flags") and "hypervisor" in line.split() for line in lines)


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
