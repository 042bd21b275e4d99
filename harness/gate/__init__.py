"""The gate: did a change make anything worse? Verdicts from facts and from interleaved times."""
