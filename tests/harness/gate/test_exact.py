"""Lane 1: what is the same is passed, what is not is named, and only where it may be compared."""

import dataclasses

from harness.gate.exact import compare_exact
from harness.gate.verdict import Exit, Verdict, exit_of

HERE = {"instructions": "avx2 fma", "numpy": "2.4.6"}
ELSEWHERE = {**HERE, "instructions": "avx2 avx512f fma"}


def verdicts(findings):
    return {(one.benchmark, one.fact): one.verdict for one in findings}


def test_nothing_changed_is_a_pass(taken_of, baseline_of):
    """Lists, bytes and work are the same, and the gate ends with 0."""
    findings = compare_exact(baseline_of(taken_of("a")), [taken_of("a")], HERE)
    assert set(verdicts(findings).values()) == {Verdict.SAME}
    assert {one.fact for one in findings} == {"lists", "index_bytes", "postings"}
    assert exit_of(findings) == Exit.PASS


def test_each_fact_that_changed_is_named(taken_of, baseline_of):
    """Another list, 5 % more bytes and one posting more are three findings; each alone fails."""
    for change, fact in (
        ({"lists": "b" * 64}, "lists"),
        ({"index_bytes": 1050}, "index_bytes"),
        ({"counters": {"postings": 51}}, "postings"),
        ({"counters": {}}, "postings"),
    ):
        findings = compare_exact(baseline_of(taken_of("a")), [taken_of("a", **change)], HERE)
        bad = [one for one in findings if one.verdict is not Verdict.SAME]
        assert [(one.fact, one.verdict) for one in bad] == [(fact, Verdict.REGRESSED)]
        assert exit_of(findings) == Exit.REGRESSION
    assert "1,000, here 1,050 (+5.00%)" in [
        one.text for one in compare_exact(
            baseline_of(taken_of("a")), [taken_of("a", index_bytes=1050)], HERE
        )
    ]  # fmt: skip


def test_exact_points_are_held_on_every_machine(taken_of, baseline_of):
    """With other instruction sets the lists of a point that the suite calls exact must agree."""
    other = taken_of("a", lists="b" * 64)
    findings = compare_exact(baseline_of(taken_of("a")), [other], ELSEWHERE)
    assert verdicts(findings)["a", "lists"] is Verdict.REGRESSED


def test_learned_lists_are_not_compared_elsewhere(taken_of, baseline_of, spread):
    """There its lists and work say nothing; bytes that no seed changes still must agree."""
    base = taken_of("a", exact=False)
    other = taken_of("a", exact=False, lists="b" * 64, counters={"postings": 60})
    baseline = baseline_of(base, spreads={"a": spread})
    found = verdicts(compare_exact(baseline, [other], ELSEWHERE))
    assert found["a", "lists"] is found["a", "postings"] is Verdict.NOT_COMPARABLE
    assert found["a", "index_bytes"] is Verdict.SAME
    grown = taken_of("a", exact=False, lists="b" * 64, index_bytes=1050)
    found = verdicts(compare_exact(baseline, [grown], ELSEWHERE))
    assert found["a", "index_bytes"] is Verdict.REGRESSED
    found = verdicts(compare_exact(baseline, [other], HERE))
    assert found["a", "lists"] is found["a", "postings"] is Verdict.REGRESSED


def test_points_that_come_and_go_end_with_4(taken_of, baseline_of):
    """A vanished point and a new one are neither a pass nor a regression."""
    findings = compare_exact(baseline_of(taken_of("a"), taken_of("b")), [taken_of("a")], HERE)
    assert verdicts(findings)["b", "point"] is Verdict.MISSING
    assert exit_of(findings) == Exit.OTHER_BENCHMARKS
    findings = compare_exact(baseline_of(taken_of("a")), [taken_of("a"), taken_of("b")], HERE)
    assert verdicts(findings)["b", "point"] is Verdict.NEW
    assert exit_of(findings) == Exit.OTHER_BENCHMARKS


def test_other_data_is_inconclusive(taken_of, baseline_of):
    """Answers to other questions are not compared, and that is no pass."""
    for change in ({"data_hash": "e"}, {"metrics_version": 2}, {"build": {"dim": 8}}):
        findings = compare_exact(baseline_of(taken_of("a")), [taken_of("a", **change)], HERE)
        assert [one.verdict for one in findings] == [Verdict.INCONCLUSIVE]
        assert exit_of(findings) == Exit.INCONCLUSIVE


def test_a_parameter_that_is_not_read_is_no_difference(taken_of, baseline_of):
    """A new one that is null here, for the index does not read it; one with a value is named."""
    base = baseline_of(taken_of("a"))
    same = compare_exact(base, [taken_of("a", build={"new": None})], HERE)
    assert set(verdicts(same).values()) == {Verdict.SAME}
    other = compare_exact(base, [taken_of("a", build={"new": 1})], HERE)
    assert "build parameters differ: new" in [one.text for one in other]
    assert exit_of(other) == Exit.INCONCLUSIVE


def test_a_method_that_fails_now_is_a_regression(taken_of, baseline_of):
    """It had answers, now it raises: status 1, with the error."""
    broken = taken_of("a", lists="", fault="ValueError: no")
    findings = compare_exact(baseline_of(taken_of("a")), [broken], HERE)
    assert [(one.verdict, one.text) for one in findings] == [(Verdict.REGRESSED, "ValueError: no")]


def test_judging_nothing_is_no_pass():
    """Without a single comparison the gate is inconclusive."""
    assert exit_of([]) == Exit.INCONCLUSIVE


def test_a_library_that_one_side_lacks_did_no_work(taken_of, baseline_of):
    """With hnswlib here and not in the baseline, or the other way: lists are compared to the bit.

    Another version of it, or a library that all methods load, keeps them apart.
    """
    base, other = taken_of("a", exact=False), taken_of("a", exact=False, lists="b" * 64)
    for here in ({**HERE, "hnswlib": "0.8.0"}, {**HERE, "scann": "1.4.2", "pyseismic-lsr": "1"}):
        found = verdicts(compare_exact(baseline_of(base), [base], here))
        assert set(found.values()) == {Verdict.SAME}
        found = verdicts(compare_exact(baseline_of(base), [other], here))
        assert found["a", "lists"] is Verdict.REGRESSED
    with_it = dataclasses.replace(baseline_of(base), arithmetic={**HERE, "hnswlib": "0.8.0"})
    assert verdicts(compare_exact(with_it, [base], HERE))["a", "lists"] is Verdict.SAME
    for here in ({**HERE, "hnswlib": "0.7.0"}, {**HERE, "hnswlib": "0.8.0", "torch": "2"}):
        found = verdicts(compare_exact(with_it, [base], here))
        assert found["a", "lists"] is Verdict.NOT_COMPARABLE
