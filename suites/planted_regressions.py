"""Plant regressions in copies of this repository and see which lane of the gate finds them.

Run as ``python suites/planted_regressions.py`` from the root, with the environment of the project.
Each plant is a change of a few words to a copy; the copy's gate then runs as CI runs it. A plant is
caught when the exit status and a finding of the expected lane are as the table below says. The
harmless changes (``noise``: none at all, ``docs``: words of the README and of a docstring) run
``--repeats`` times: any status 1 or 4 is a false alarm. docs/regressions.md shows what came out.

``--log FILE`` keeps each run of a harmless change as a line of JSON as soon as it is over. Those
that an earlier sitting left there count, so that twenty runs of the speed lane can be had over
days: ``--only "noise, speed" "docs, speed" --log results/alarms.jsonl``. Runs of another gate,
which is known by the SHA-256 of harness/gate, do not count.
"""

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
LANES = ["--lane", "1", "2"]
SPEED = ["--lane", "3", "--against", "base", "--benchmarks", "postings.Merge"]
MANY = [*SPEED[:-1], "postings.Merge.time_many"]
Edits = tuple[tuple[str, str, str], ...]  # file, the words there, what stands instead


@dataclass(frozen=True)
class Plant:
    """A change, how the gate is called, and what it must say: status, lane, verdict, fact."""

    name: str
    what: str
    edits: Edits
    arguments: list[str]
    status: int
    lane: int | None = None
    verdict: str = "regressed"
    fact: str = ""
    benchmark: str = ""  # empty: any
    elsewhere: bool = False  # run as on a machine of other instruction sets

    @property
    def is_harmless(self) -> bool:
        """Return whether nothing may be found."""
        return self.lane is None


EXTRA_PASS = """        for at in range(n_spans):  # planted: one pass over the postings too many
            for posting in range(spans[at, 0], spans[at, 1]):
                idle += u64(totals[u64(entries[posting]) >> bits])
        if idle == u64(1):
            n_postings += 1
        cleared = hide("""
DOCS: Edits = (
    ("README.md", "How candidate retrieval in", "How the retrieval of candidates in"),
    ("methods/sparcode/serving/packed_merge.py", "Adds up the lists of queries and", "Sums lists,"),
)
EMPTY_LISTS: Edits = (
    (
        "methods/classical/linear.py",
        "        found = self._serving.search(queries, k)\n",
        (
            "        found = self._serving.search(queries, k)\n"
            "        found.ids[queries.user_ids % 80 == 0] = -1\n"
            "        found.scores[queries.user_ids % 80 == 0] = -float('inf')\n"
        ),
    ),
)
# Kernels are chosen by these: what `harness.measure.cpu_features` calls another arithmetic.
OTHER_KERNELS = {"ATEN_CPU_CAPABILITY": "default", "MKL_ENABLE_INSTRUCTIONS": "SSE4_2"}
PLANTS = (
    Plant(
        "tie rule",
        "equal scores go to the larger id",
        (("harness/topk.py", "np.lexsort((columns, -values", "np.lexsort((-columns, -values"),),
        ["smoke", *LANES],
        1, 1, fact="lists",
    ),
    Plant(
        "scores",
        "1 % of posting scores larger by a quarter",
        (
            (
                "methods/sparcode/index/packed.py",
                "            missing = min(",
                (
                    "            impact += (posting % 100 == 0) * (impact // 4 + 1)\n"
                    "            missing = min("
                ),
            ),
        ),
        ["gate", *LANES],
        1, 1, fact="lists",
    ),
    Plant(
        "quality",
        "one query in 80 gets an empty list: 0.5 point of recall",
        EMPTY_LISTS,
        ["gate", *LANES],
        1, 2, fact="recall@10",
    ),
    Plant(
        "quality, elsewhere",
        "the same on another arithmetic, of a case that is not exact",
        EMPTY_LISTS,
        ["gate", *LANES],
        1, 2, fact="recall@10", benchmark="cosine", elsewhere=True,
    ),
    Plant(
        "time",
        "one pass over the postings too many",
        (
            (
                "methods/sparcode/serving/packed_kernel/merge.py",
                "    for row in range(first, last):\n        n_spans",
                "    idle = u64(0)\n    for row in range(first, last):\n        n_spans",
            ),
            (
                "methods/sparcode/serving/packed_kernel/merge.py",
                "        cleared = hide(",
                EXTRA_PASS,
            ),
        ),
        SPEED,
        1, 3, fact="seconds",
    ),
    Plant(
        "bytes",
        "packed lists hold 5 % more entries than postings",
        (
            (
                "methods/sparcode/index/packed.py",
                "np.empty(postings.items.size, np.uint32)",
                "np.zeros(postings.items.size * 105 // 100, np.uint32)",
            ),
        ),
        ["gate", *LANES],
        1, 1, fact="index_bytes",
    ),
    Plant(
        "case gone",
        "a case of the suite is no more",
        (
            ("suites/gate.toml", '[[case]]\nname   = "cosine"', '[[case]]\nname   = "cosinus"'),
        ),
        ["gate", *LANES],
        4, 1, "missing", "point",
    ),
    Plant(
        "benchmark gone",
        "a benchmark of the speed lane is no more",
        (("suites/micro/tracked/postings.py", "def time_many", "def _time_many"),),
        MANY,
        4, 3, "missing", "seconds",
    ),
    Plant("noise", "nothing changed; facts", (), ["gate", *LANES], 0),
    Plant("docs", "words of documents; facts", DOCS, ["gate", *LANES], 0),
    Plant("noise, speed", "nothing changed; times", (), SPEED, 0),
    Plant("docs, speed", "words of documents; times", DOCS, SPEED, 0),
)  # fmt: skip


def main() -> int:
    """Run the plants asked for; 0 when all came out as they must."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", nargs="+", choices=[one.name for one in PLANTS], metavar="PLANT")
    parser.add_argument("--repeats", type=int, default=20, help="of the harmless; default 20")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep the copies there")
    parser.add_argument("--log", type=Path, metavar="FILE", help="of the runs of the harmless")
    options = parser.parse_args()
    wanted = [one for one in PLANTS if not options.only or one.name in options.only]
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for plant in wanted:
            rows.append(run(plant, options.keep or Path(folder), options.repeats, options.log))
            print(rows[-1], flush=True)
    return 0 if all(row.endswith("| yes |") for row in rows) else 1


def run(plant: Plant, folder: Path, repeats: int, log: Path | None = None) -> str:
    """Return a row of the table: the plant, what the gate said how often, whether it is right."""
    times = repeats if plant.is_harmless else 1
    rows = logged(log, plant) if log and plant.is_harmless else []
    if len(rows) < times:
        copy = folder / plant.name.replace(" ", "_").replace(",", "")
        make_copy(copy)
        edit(copy, plant.edits)
        commit(copy, "planted")
    while len(rows) < times:
        rows.append(run_once(plant, copy))
        if log and plant.is_harmless:
            log.parent.mkdir(parents=True, exist_ok=True)
            with log.open("a", encoding="utf-8") as file:
                file.write(json.dumps(rows[-1]) + "\n")
    said = [one["status"] for one in rows]
    right = sum(one["right"] for one in rows)
    counts = ", ".join(f"{said.count(one)} x status {one}" for one in sorted(set(said)))
    found = "no alarm" if plant.is_harmless else f"lane {plant.lane}, {plant.verdict}"
    each = sum(one["seconds"] for one in rows) / len(rows)
    good = "yes" if right == len(rows) else "NO"
    return (
        f"| {plant.name} | {plant.what} | {found} | {counts} | {right} of {len(rows)} "
        f"| {each:.0f} s | {good} |"
    )


def run_once(plant: Plant, copy: Path) -> dict[str, Any]:
    """Return what one run of the copy's gate came to, and whether that is right."""
    begun = time.monotonic()
    status, findings = gate(copy, plant.arguments, OTHER_KERNELS if plant.elsewhere else {})
    caught = [one for one in findings if is_expected(one, plant)]
    for one in findings if plant.arguments is SPEED else caught[:1]:
        print(f"  {one['benchmark']}: {one['verdict']}: {one['text']}", flush=True)
    quiet = status in (0, 2) and bool(findings)
    return {
        "plant": plant.name,
        "gate": gate_hash(),
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "load": os.getloadavg()[0],
        "seconds": time.monotonic() - begun,
        "status": status,
        "right": quiet if plant.is_harmless else status == plant.status and bool(caught),
        "verdicts": sorted({one["verdict"] for one in findings}),
    }


def logged(log: Path, plant: Plant) -> list[dict[str, Any]]:
    """Return the runs of a plant that a log holds, of the gate as it is."""
    lines = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
    rows = [json.loads(line) for line in lines]
    return [one for one in rows if (one["plant"], one["gate"]) == (plant.name, gate_hash())]


def gate_hash() -> str:
    """Return a hash of the gate's own code."""
    files = sorted((ROOT / "harness" / "gate").glob("*.py"))
    return hashlib.sha256(b"\0".join(one.read_bytes() for one in files)).hexdigest()[:16]


def is_expected(finding: dict[str, str], plant: Plant) -> bool:
    """Return whether a finding is the one that the plant must cause."""
    told = (finding["lane"], finding["verdict"], finding["fact"])
    where = plant.benchmark in ("", finding["benchmark"])
    return where and told == (plant.lane, plant.verdict, plant.fact)


def gate(
    copy: Path, arguments: list[str], variables: dict[str, str]
) -> tuple[int, list[dict[str, str]]]:
    """Return the exit status of the copy's gate and its findings."""
    account = copy / "results" / "gate.json"
    account.unlink(missing_ok=True)
    done = subprocess.run(
        [sys.executable, "-m", "harness", "gate", *arguments, "--json", str(account)],
        cwd=copy,
        env={**os.environ, **variables, "PYTHONPATH": str(copy)},
        capture_output=True,
        text=True,
        check=False,
    )
    account.with_suffix(".log").write_text(done.stderr)
    if not account.exists():
        print(done.stderr[-2000:], file=sys.stderr)
        return done.returncode, []
    return done.returncode, json.loads(account.read_text())["findings"]


def make_copy(copy: Path) -> None:
    """Make a repository of its own of the tracked files as they are, with kept compilations."""
    listed = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "-z"], capture_output=True, text=True, check=True
    )
    for name in filter(None, listed.stdout.split("\0")):
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, copy / name)
    for package in ("harness", "methods"):
        for kept in (ROOT / package).rglob("__pycache__"):
            shutil.copytree(kept, copy / kept.relative_to(ROOT), dirs_exist_ok=True)
    git(copy, "init", "--quiet")
    commit(copy, "as it is")
    git(copy, "tag", "base")


def edit(copy: Path, edits: Edits) -> None:
    """Put other words into files.

    Raises
    ------
    ValueError
        The words do not stand there once: the plant must be written anew.
    """
    for name, text in edited(copy, edits).items():
        (copy / name).write_text(text)


def edited(root: Path, edits: Edits) -> dict[str, str]:
    """Return the files that edits change, by name, as they are afterwards; see `edit`."""
    texts: dict[str, str] = {}
    for name, old, new in edits:
        text = texts[name] if name in texts else (root / name).read_text()
        if text.count(old) != 1:
            raise ValueError(f"{name}: {old!r} stands there {text.count(old)} times, expected 1")
        texts[name] = text.replace(old, new)
    return texts


def commit(copy: Path, message: str) -> None:
    """Commit everything, even where nothing changed: another revision of the same content."""
    git(copy, "add", "--all")
    who = ["-c", "user.name=planted", "-c", "user.email=planted@localhost"]
    git(copy, *who, "commit", "--quiet", "--allow-empty", "--message", message)


def git(copy: Path, *arguments: str) -> None:
    """Run git in the copy."""
    subprocess.run(["git", "-C", str(copy), *arguments], check=True, capture_output=True)


if __name__ == "__main__":
    sys.exit(main())
