"""Views: each number stands where it is looked for, verdicts and warnings stand with it."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from harness.compare.frame import to_frame
from harness.compare.noise import noise_floor
from harness.record import SELECTED_ON_TEST, Record
from harness.report.noise_table import render_noise
from harness.report.table import render
from harness.report.views import VIEWS

GOLDEN = Path(__file__).resolve().parents[2] / "golden" / "record-schema-2.json"
BASE = Record.from_json(GOLDEN.read_text())
SKIPPED = replace(
    BASE, device="cuda", search={}, load={}, status="skipped", reason="no CUDA device", qps=None,
    n_timed=None, stages_s={}, memory={}, metrics={}, metrics_ci={}, warnings=(), offline_s={},
)  # fmt: skip


def table(records, view="main", form="text", floor=None):
    return render(to_frame(records, floor), ["ndcg@10"], form, "", view)


def cells(records, view, floor=None):
    """Return header -> cell of the first row, of a Markdown table."""
    lines = [line for line in table(records, view, "markdown", floor).splitlines() if "|" in line]
    split = [[one.strip() for one in line.strip("|").split("|")] for line in (lines[0], lines[2])]
    return dict(zip(*split, strict=True))


@pytest.mark.parametrize("view", list(VIEWS))
@pytest.mark.parametrize("form", ["text", "markdown", "latex", "csv"])
def test_no_view_loses_a_row_or_a_warning(view, form):
    """A device that is missing stays as a row, and each warning is printed once."""
    text = table([BASE, replace(BASE, seed=8), SKIPPED], view, form)
    assert "no CUDA device" in text
    assert text.count("load by others 0.4 cores") == (2 if form == "csv" else 1)


def test_rows_are_valid_or_invalid_with_reasons():
    """The verdict is in capitals; a short reason stands in the row, a long one as a note."""
    short = replace(BASE, case="b", status="invalid", reason="3 NaN scores", warnings=())
    long = replace(BASE, case="c", status="invalid", reason="x" * 80, warnings=())
    text = table([BASE, short, long])
    assert [line.split("  ")[-1].strip() for line in text.splitlines()[2:5]] == [
        "VALID [1]", "INVALID: 3 NaN scores", "INVALID [2]"
    ]  # fmt: skip
    assert text.splitlines()[-2:] == ["[1] load by others 0.4 cores", f"[2] {'x' * 80}"]


def test_columns_without_a_value_are_left_out():
    """p99 and max QPS stand in the table where some row has them, and only there."""
    bare = replace(BASE, latency_p99_s=None, max_qps=None)
    assert {"p99 ms", "max QPS"} <= cells([bare, BASE], "main").keys()
    assert not {"p99 ms", "max QPS", "device MB"} & cells([bare], "main").keys()


def test_qps_carry_the_noise_of_their_pairs():
    """Rates 100, 101, 100, 101: sigma = log 1.01, t(2) = 4.30: ± 3 % of one measurement."""
    rounds = [replace(BASE, repeat=n, qps=100.0 + n % 2) for n in range(4)]
    floor = noise_floor(rounds, 2)
    assert cells([BASE], "main", floor)["QPS"] == "20,000 ±3 %"
    assert cells([BASE], "speed", floor)["QPS"] == "20,000 ±3 %"
    assert cells([BASE], "main")["QPS"] == "20,000"


def test_the_speed_view_has_every_percentile_and_the_cold_start():
    """Milliseconds from seconds; what was not settled (p99.9) has no column."""
    shown = cells([replace(BASE, offered_qps=100.0)], "speed")
    assert shown["scenario"] == "single_stream"
    assert (shown["p50 ms"], shown["p90 ms"], shown["p99 ms"]) == ("0.045", "0.06", "0.1")
    assert (shown["cold first ms"], shown["same query x"], shown["n"]) == ("10", "1.01", "1,000")
    assert (shown["offered QPS"], shown["max QPS"]) == ("100", "900")
    assert "p99.9 ms" not in shown


def test_the_speed_view_shows_the_spread_of_repeats():
    """Three fresh processes: one row, the rates from the lowest to the highest beside it."""
    rates = [replace(BASE, repeat=n, qps=q) for n, q in enumerate((90.0, 120.0, 100.0))]
    assert cells(rates, "speed")["repeats"] == "3: 90 to 120"
    assert "repeats" not in cells([BASE], "speed")


def test_the_stages_view_adds_up():
    """45 of 44.55 microseconds: the sum, the total it is held against, and the gap of 1 %."""
    shown = cells([BASE], "stages")
    assert (shown["top_k us"], shown["sum us"], shown["total us"]) == ("45", "45", "44.6")
    assert shown["gap"] == "+1.0 %"


def test_the_build_view_has_seconds_and_peak_of_each_offline_stage():
    """0.02 s and 250 MB; a stage that some row lacks is a dash there."""
    other = replace(BASE, offline_s={"fit": 1.0, "load": 0.5}, offline_peak_bytes={"fit": 3e8})
    text = table([BASE, replace(other, seed=8)], "build", "markdown")
    rows = [line.split("|")[3:5] for line in text.splitlines() if "popularity" in line]
    assert cells([BASE], "build")["fit s (MB)"] == "0.02 (250)"
    assert [[one.strip() for one in row] for row in rows] == [
        ["0.02 (250)", "-"],
        ["1 (300)", "0.5"],
    ]


def test_stages_stand_in_the_order_of_a_search():
    """Encode before scoring before top_k, whatever the order of the mapping."""
    stages = {"top_k": 1e-6, "scoring": 2e-6, "encode": 3e-6}
    names = [one for one in cells([replace(BASE, stages_s=stages)], "stages") if " us" in one]
    assert names == ["encode us", "scoring us", "top_k us", "sum us", "total us"]


def test_the_memory_view_shows_every_key():
    """Known keys in order and in MB, bytes per item as they are, unknown keys too."""
    memory = {"disk_bytes": 20128, "logical_bytes": 20000, "new_bytes": 3_000_000,
              "bytes_per_item": 256.0}  # fmt: skip
    shown = cells([replace(BASE, memory=memory)], "memory")
    assert list(shown)[1:3] == ["logical MB", "disk MB"]
    assert (shown["logical MB"], shown["new MB"]) == ("0.02", "3")
    assert shown["bytes per item"] == "256"


def test_memory_of_old_records_is_still_shown():
    """A record of schema 1 has only its own account and the peak of its process."""
    old = Record.from_json((GOLDEN.parent / "record-schema-1.json").read_text())
    shown = cells([old], "memory")
    assert (shown["logical MB"], shown["process peak MB"]) == ("0.02", "250")


def test_latex_escapes_what_it_would_take_for_commands():
    """A floating table with a caption; % and _ of caption and notes are characters."""
    record = replace(BASE, warnings=("50 % of top_k",))
    text = render(to_frame([record]), [], "latex", "a 95 % line\nanother")
    assert text.startswith("% needs ")
    assert text.splitlines()[1] == r"\begin{table}"
    assert text.endswith("\\end{table}")
    assert r"\caption{a 95 \% line; another}" in text
    assert r"\toprule" in text
    assert r"[1] 50 \% of top\_k" in text
    for one in ("table", "tabular"):
        assert text.count(rf"\begin{{{one}}}") == text.count(rf"\end{{{one}}}") == 1


FITTING = ("% needs ", r"\ifdim", r"\dimen0", r"\leavevmode")  # lines that hold no text of ours
TRICKY = r"a_b & 50 % {of} #1 ~ 3^2 \x $y | <z> ±"


def test_no_text_reaches_latex_unescaped():
    """Braces balance, no cell is split, and what is left are commands that plain LaTeX has."""
    record = replace(
        BASE, case=TRICKY, status="invalid", reason=TRICKY, warnings=(f"long {TRICKY}",)
    )
    text = render(to_frame([record, BASE]), ["ndcg@10"], "latex", TRICKY)
    known = {"begin", "end", "centering", "caption", "toprule", "midrule", "bottomrule", "par",
             "footnotesize", "textbackslash", "textasciitilde", "ensuremath", "pm",
             "sloppy"}  # fmt: skip
    text = "\n".join(one for one in text.splitlines() if not one.startswith(FITTING))
    text = text.replace("\\setbox0\\hbox{", "{")
    assert set(re.findall(r"\\([a-zA-Z]+)", text)) <= known
    bare = re.sub(r"\\[\\&%$#_{}^]", "", text)  # without what is escaped
    assert not set("%$#_~^|<>±") & set(re.sub(r"\\ensuremath{[^}]*}", "", bare))
    assert bare.count("{") == bare.count("}")
    rows = [line for line in bare.splitlines() if "&" in line]
    assert len({line.count("&") for line in rows}) == 1
    assert len(rows) == 3  # the header and two records


def test_markdown_keeps_cells_and_lines_apart():
    """A bar in a reason ends no cell, a star is no emphasis, a line of the caption stays one."""
    record = replace(BASE, status="invalid", reason="no | for int", warnings=())
    text = render(to_frame([record]), [], "markdown", "* is the best\nnext")
    assert text.startswith("\\* is the best  \nnext  \n\n|")
    bars = {len(re.findall(r"(?<!\\)\|", line)) for line in text.splitlines() if "|" in line}
    assert len(bars) == 1


def test_warnings_that_differ_in_numbers_share_a_note():
    """Each row has its mark; the note spans 7 to 25 %; a number within a name is no number."""
    texts = ("waited 25% of 2 s", "waited 7% of 2 s", "a.so.1 has 3", "a.so.2 has 3", "p99 of 1")
    rows = [replace(BASE, seed=n, warnings=(text,)) for n, text in enumerate(texts)]
    text = table(rows)
    marks = [line[line.index("VALID") :] for line in text.splitlines() if "VALID" in line]
    assert marks == [f"VALID [{number}]" for number in (1, 1, 2, 3, 4)]
    assert text.splitlines()[-4:] == [
        "[1] waited 7 to 25% of 2 s", "[2] a.so.1 has 3", "[3] a.so.2 has 3", "[4] p99 of 1"
    ]  # fmt: skip


@pytest.mark.parametrize("view", list(VIEWS))
def test_a_row_whose_epoch_was_chosen_on_test_says_so_in_its_status(view):
    """In every view, and the warning stands below; a row that chose on validation does not."""
    text = table([replace(BASE, warnings=(SELECTED_ON_TEST,))], view)
    assert text.count("VALID, epoch chosen on test [1]") == 1
    assert f"[1] {SELECTED_ON_TEST}" in text
    assert "chosen on test" not in table([BASE], view)


def test_a_reason_of_several_lines_stays_in_its_row():
    """Errors of libraries have line breaks; tables and notes do not."""
    record = replace(BASE, status="failed", reason="CUDA error:\nno", warnings=("a\n b",))
    text = table([record])
    assert "failed: CUDA error: no [1]" in text
    assert text.endswith("[1] a b")


def test_a_text_table_is_no_wider_than_its_cells():
    """Headers are not padded; what stands above it is broken at 160 characters, and indented."""
    text = render(to_frame([BASE]), ["ndcg@10"], "text", "word " * 60, "main")
    first, second = text.splitlines()[:2]
    assert len(first) <= 160
    assert second.startswith("    word")
    assert max(map(len, text.splitlines())) <= 160


def test_quality_is_shown_once_for_all_loads():
    """It does not depend on the load, and neither do memory and the stages of the build."""
    other = replace(BASE, load={"kind": "offline", "queries": 0, "batch": 32})
    for view, n_rows in (("main", 2), ("speed", 2), ("quality", 1), ("build", 1), ("memory", 1)):
        rows = [line for line in table([BASE, other], view).splitlines() if "popularity" in line]
        assert len(rows) == n_rows, view


def test_the_table_of_a_floor_says_what_is_missing():
    """Sigma with its interval, the ratio's range, and why a pair was left out."""
    rounds = [replace(BASE, repeat=n, qps=100.0 + n % 2) for n in range(6)]
    rounds[5] = replace(rounds[5], status="failed", reason="killed by SIGKILL")
    text = render_noise(noise_floor(rounds, 3))
    row = next(line for line in text.splitlines() if line.startswith("popularity"))
    assert row.split()[:2] == ["popularity", "(cpu)"]
    assert "1 % [0.5 %, 6 %]" in row
    assert row.endswith("2 [1]")
    assert "[1] failed: killed by SIGKILL" in text


def test_percentiles_carry_their_noise_where_speed_is_looked_at():
    """p50 and p99 of pairs that differ by 2 and by 4 %: each with its own ±, in that view alone."""
    rounds = [
        replace(
            BASE, repeat=n, qps=100.0, latency_p50_s=1e-3 * (1 + 0.02 * (n % 2)),
            latency_p99_s=2e-3 * (1 + 0.04 * (n % 2)),
        )
        for n in range(4)
    ]  # fmt: skip
    frame = to_frame([rounds[0]], noise_floor(rounds, 2))
    assert render(frame, [], "text", view="speed").count("±") == 4  # QPS and max QPS too
    assert render(frame, [], "text").count("±") == 1
