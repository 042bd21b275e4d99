"""LaTeX tables compiled by a real pdflatex: whatever names they hold, they fit the page."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from harness.compare.frame import to_frame
from harness.compare.points import against_baseline, points_of
from harness.compare.quality import compare_quality
from harness.record import Record
from harness.report.caption import caption_of
from harness.report.comparison import render_quality
from harness.report.table import render

GOLDEN = Path(__file__).resolve().parents[2] / "golden" / "record-schema-4.json"
NAMES = ["a_b", "50%", "a&b", "#1", "{x}", "$y$", "~z", "^w", "\\cmd", "<v>", "a|b"]
PDFLATEX = shutil.which("pdflatex")
needs_latex = pytest.mark.skipif(PDFLATEX is None, reason="pdflatex is not installed")


def records(n, **changes):
    """Return records of cases with names that LaTeX would take as commands, in turns."""
    values = json.loads(GOLDEN.read_text())
    return [
        Record.from_json(json.dumps({
            **values, "case": f"{NAMES[one % 11]}_{one}", "search": {"mode": NAMES[-one % 11]},
            "status": "ok", "warnings": [f"{NAMES[one % 11]} was met"], **changes,
        }))
        for one in range(n)
    ]  # fmt: skip


def compiled(table, folder):
    """Return what pdflatex says of a table in an article; its status must be 0."""
    text = (
        "\\documentclass{article}\\usepackage{booktabs}\\usepackage{graphicx}\n"
        f"\\begin{{document}}\n{table}\n\\end{{document}}\n"
    )
    (folder / "table.tex").write_text(text)
    command = [PDFLATEX, "-interaction=nonstopmode", "-halt-on-error", "table.tex"]
    done = subprocess.run(command, cwd=folder, capture_output=True, timeout=120)
    said = done.stdout.decode(errors="replace")
    assert done.returncode == 0, said[-2_000:]
    return said


def overfull(said):
    """Return the points by which boxes are too large, those above 1."""
    found = re.findall(r"Overfull \\[hv]box \(([\d.]+)pt too", said)
    floats = re.findall(r"Float too large for page by ([\d.]+)pt", said)
    return [float(one) for one in (*found, *floats) if float(one) > 1]


@needs_latex
@pytest.mark.parametrize("n", [3, 90], ids=["wide", "high"])
def test_a_wide_and_a_high_table_fit_the_page(tmp_path, n):
    """The main view, some 20 columns, and 90 rows of it: no box is more than 1 pt too large."""
    rows = records(n)
    metrics = list(rows[0].metrics)
    table = render(to_frame(rows), metrics, "latex", caption_of(rows))
    assert overfull(compiled(table, tmp_path)) == []


@needs_latex
def test_a_comparison_fits_the_page(tmp_path, run_of):
    """Quality with intervals over queries and seeds, in cases of every name."""
    made = [
        (name, {"recall@10": [0.1 * seed, 0.5, 0.4 + 0.01 * n]}, {"seed": seed})
        for n, name in enumerate(NAMES)
        for seed in (1, 2, 3)
    ]
    pairs = against_baseline(points_of(run_of(*made)))
    table = render_quality(compare_quality(pairs), pairs, "latex", "caption: 5 % & more")
    assert overfull(compiled(table, tmp_path)) == []


@needs_latex
def test_a_narrow_table_keeps_its_size(tmp_path):
    """What fits is not enlarged: the box of a few short columns stays below a line."""
    table = render(to_frame(records(1, metrics={}, search={})), [], "latex", view="quality")
    measured = "\\typeout{width \\the\\wd0}\\leavevmode"
    said = compiled(table.replace("\\leavevmode", measured), tmp_path)
    [width] = re.findall(r"width ([\d.]+)pt", said)
    assert 0 < float(width) < 300  # a line of this class has 345


def test_the_table_says_what_it_needs():
    """The first line is a comment that names both packages."""
    first = render(to_frame(records(1)), [], "latex").splitlines()[0]
    assert first.startswith("% needs")
    assert "booktabs" in first
    assert "graphicx" in first
