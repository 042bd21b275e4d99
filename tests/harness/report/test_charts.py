"""Charts: every point is drawn, what is drawn is told in words and numbers, and Vega takes it."""

import json
import re

import pytest
import vl_convert

from harness.report.charts.theme import METHODS, interactive, static
from harness.report.drawing import VEGA_LITE, png, svg
from harness.report.material import charts_of, material_of

NAMES = {
    "frontier-1-qps", "frontier-2-p99", "frontier-3-bytes", "frontier-4-build", "frontier-5-qps",
    "ladder", "latency-1", "stages", "memory-index", "memory-process", "segments-history-items",
    "segments-relevant-events", "codes-codewords-in-use", "codes-codeword-perplexity",
    "codes-restarts",
}  # fmt: skip


def test_each_measured_thing_has_its_charts(charts):
    """Two loads: QPS for both, p99 for the one that has it, bytes and build once."""
    assert set(charts) == NAMES


def test_a_frontier_keeps_every_point_and_marks_the_pareto_ones(charts, material):
    """29 methods' points, the bound as a line; on the frontier are those `Plane` says."""
    one = charts["frontier-1-qps"]
    values = one.spec["data"]["values"]
    assert len(values) == 29
    assert "Dashed: best possible, 0.6000" in one.description
    expected = [
        spot.point.first.case
        for spot, on in zip(
            material.planes[0].spots, material.planes[0].on_frontier("QPS"), strict=True
        )
        if on
    ]
    assert [value["method"] for value in values if value["on"]] == expected
    assert 0 < len(expected) < 29
    assert (one.numbers["frontier"] == "on it").sum() == len(expected)


def test_a_mark_tells_its_configuration(charts):
    """What the pointer shows of a point holds every parameter."""
    values = charts["frontier-1-qps"].spec["data"]["values"]
    told = [value["configuration"] for value in values if value["method"] == "hnsw"]
    assert "search: ef_search=512; build: dim=64" in told


def test_latencies_are_raw_and_end_where_they_settle(charts):
    """1,000 times settle p99 and not p99.9: no curve goes on to it."""
    one = charts["latency-1"]
    assert "1,000 queries a curve" in one.description
    percentiles = {value["percentile"] for value in one.spec["data"]["values"]}
    assert "p99" in percentiles
    assert max(float(x[1:]) for x in percentiles) < 99.9
    assert one.numbers["p99.9 ms"].eq("-").all()


def test_stages_add_up_to_their_sum(charts):
    """0.2 and 0.7 of 1/3000 s: 66.7 and 233 us, together 300; the gap is -10 %."""
    [row] = [x for x in charts["stages"].numbers.to_dict("records") if x["method"] == "item_knn"]
    assert (row["encode us"], row["scoring us"], row["sum us"]) == ("66.7", "233", "300")
    assert row["gap"] == "-10.0 %"
    assert "transfer us" not in row


def test_memory_is_in_megabytes(charts):
    """4e6 bytes that search touches are 4 MB, 3e8 of a process 300."""
    [row] = charts["memory-index"].numbers.head(1).to_dict("records")
    assert (row["what search touches, MB"], row["saved on disk, MB"]) == ("4", "5")
    [row] = charts["memory-process"].numbers.head(1).to_dict("records")
    assert row["serving, MB"] == "300"


def test_the_ladder_says_each_step(charts):
    """0.50, 0.48, 0.47 by construction, every query alike: steps of -0.02 and -0.01."""
    cells = charts["ladder"].numbers
    assert cells["ndcg@10"].tolist() == ["0.5000", "0.4800", "0.4700"]
    steps = cells["to the rung before"].tolist()
    assert [one[:7] for one in steps] == ["-", "-0.0200", "-0.0100"]


def test_a_run_at_several_sizes_has_curves(run_of):
    """Bytes of 1e3, 1e4, 1e5 items stand at their size; a single size has no curve."""
    made = [
        ("a", {"ann_recall@10": [0.9]}, {"dataset": f"made(n_items={n},seed=0)", "seed": n,
         "index_bytes": 8 * n, "data_hash": f"{n:064}"})
        for n in (10**3, 10**4, 10**5)
    ]  # fmt: skip
    several = charts_of(material_of(run_of(*made), "ann_recall@10", lambda record: None))["scale"]
    by_name = {one.name: one for one in several}
    values = by_name["scale-index-bytes"].spec["data"]["values"]
    assert [(one["n"], one["amount"]) for one in values] == [
        (10**3, 0.008), (10**4, 0.08), (10**5, 0.8)
    ]  # fmt: skip
    assert "scale-ann-recall-10" in by_name
    whole = material_of(run_of(*made), "ann_recall@10", lambda record: None)
    titles = [one.title for one in charts_of(whole)["frontier"] if one.name.endswith("qps")]
    assert [one.rpartition(", ")[2] for one in titles] == ["1,000 items", "10,000 items",
                                                           "100,000 items"]  # fmt: skip
    alone = material_of(run_of(made[0]), "ann_recall@10", lambda record: None)
    assert charts_of(alone)["scale"] == []


def test_a_run_of_nothing_gives_no_chart(run_of):
    """A trial that failed leaves a row in tables and no mark anywhere."""
    ended = {"status": "failed", "reason": "killed", "metrics": {}, "qps": None, "load": {}}
    ended |= {"stages_s": {}, "memory": {}, "history": {}, "details": {}}
    material = material_of(run_of(("a", {}, ended)), "m@1", lambda record: None)
    assert not any(charts_of(material).values())


def test_methods_keep_their_colour_and_shape(charts, material):
    """Every chart of methods lists all of them in one order."""
    domains = {json.dumps(found) for one in charts.values() for found in _domains(one.spec)}
    assert domains == {json.dumps(list(material.methods))}


def _domains(spec):
    if isinstance(spec, dict):
        if spec.get("field") == "method" and "scale" in spec:
            yield spec["scale"]["domain"]
        for one in spec.values():
            yield from _domains(one)
    elif isinstance(spec, list):
        for one in spec:
            yield from _domains(one)


def test_vega_lite_takes_every_specification(charts):
    """Both forms compile to Vega without a warning turned error, and stay JSON."""
    for one in charts.values():
        for spec in (interactive(one), static(one, "light", 480)):
            json.dumps(spec, allow_nan=False)
            assert vl_convert.vegalite_to_vega(spec, vl_version=VEGA_LITE)["marks"]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_figure_holds_as_many_points_as_the_run(charts, theme):
    """The SVG of a frontier has a symbol for each of 29 points; its words are text, not paths."""
    drawn = svg(static(charts["frontier-1-qps"], theme, 480))
    symbols = re.search(
        r'<g class="mark-symbol role-mark layer_\d+_marks".*?</g>', drawn, re.DOTALL
    )
    assert symbols is not None
    assert symbols[0].count("<path") == 29
    assert "queries per second (log)" in drawn
    assert "two_tower" in drawn


def test_a_figure_s_legend_names_what_is_drawn(charts):
    """The ladder holds SparCode alone, in the colour it has in every chart."""
    drawn = svg(static(charts["ladder"], "light", 480))
    assert ">sparcode<" in drawn
    assert ">two_tower<" not in drawn
    place = (
        charts["ladder"].spec["layer"][-1]["encoding"]["color"]["scale"]["domain"].index("sparcode")
    )
    assert METHODS["light"][place % len(METHODS["light"])] in drawn


def test_png_has_three_hundred_pixels_an_inch(charts):
    """A figure 72 units wide is 300 pixels wide."""
    data = png(static(charts["ladder"], "light", 288))
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    assert int.from_bytes(data[16:20], "big") == 1200
