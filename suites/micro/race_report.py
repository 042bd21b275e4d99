"""What the race shows: contenders, ratios with intervals, and the bars they are held against."""

import statistics

from tabulate import tabulate

from micro.overhead import median_interval

# items: {(merge, rivals): least ratio}; the rivals' fastest counts
BARS = {
    1_000_000: {
        ("zipf 8 x 256, packed", ("hnsw",)): 20,
        ("zipf 8 x 256, packed", ("scann", "ivf")): 10,
        ("zipf 16 x 1024, packed", ("hnsw",)): 8,
        ("zipf 8 x 256, packed", ("zipf 8 x 256, heap",)): 2.5,
    },
    50_000: {
        ("zipf 8 x 256, packed", ("hnsw",)): 12,
        ("zipf 8 x 256, packed", ("scann", "ivf")): 5,
    },
}


def row_of(one, n_items, singles, batches):
    """Return what is written of a contender."""
    row = {
        "kind": "contender", "items": n_items, "name": one.name, "setting": one.setting,
        "recall": one.recall, "kept_of_float32": one.kept, "index_bytes": one.index_bytes,
        "bytes_an_item": one.index_bytes / n_items,
        "bytes_a_posting": one.lists_bytes / one.stored_postings if one.stored_postings else None,
        "postings_a_query": one.postings or None, **one.built,
    }  # fmt: skip
    for kind, found in (("single", singles), ("batch", batches)):
        rates = found[one.name]
        row[f"{kind}_qps"] = statistics.median(rates)
        row[f"{kind}_qps_interval"] = median_interval(rates)
        row[f"{kind}_rounds"] = len(rates)
        row[f"{kind}_ns_a_posting"] = (
            1e9 / statistics.median(rates) / one.postings if one.postings else None
        )
    return row


def ratios(n_items, singles, batches, batch_name):
    """Yield each merge against each group of rivals, with the bar where there is one."""
    groups = [("hnsw",), ("scann", "ivf")]
    bars = BARS.get(n_items, {})
    for kind, found in (("single_stream", singles), (batch_name, batches)):
        for name in [one for one in found if one.endswith("packed")]:
            heap = name.replace("encode + ", "").replace("packed", "heap")
            for group in groups if "encode" in name else (*groups, (heap,)):
                present = [one for one in group if one in found]
                if present:
                    yield ratio(kind, found, name, group, present, bars.get((name, group)))


def ratio(kind, found, name, group, present, bar):
    """Return the ratio of a merge to the fastest of a group, round by round."""
    best = max(present, key=lambda one: statistics.median(found[one]))
    pairs = [ours / theirs for ours, theirs in zip(found[name], found[best], strict=False)]
    low, high = median_interval(pairs)
    middle = statistics.median(pairs)
    return {
        "kind": "ratio", "scenario": kind, "name": name, "against": list(group), "best": best,
        "ratio": middle, "interval": [low, high], "rounds": len(pairs), "bar": bar,
        "met": None if bar is None else bool(middle >= bar),
    }  # fmt: skip


def report(head, rows, verdicts):
    """Return the table of contenders, and that of ratios."""
    machine, versions = head["machine"], head["versions"]
    before, after = head["load_average"]
    what = f"{head['items']:,} vectors of {head['dim']} ({head['data']}), k = {head['k']}"
    turns = f"{head['rounds']} turns of {head['sample_s']:g} s"
    lines = [
        f"{what}, one thread; medians [95 % interval] of {turns}",
        f"machine: {machine['cpu']} x {machine['cores']} cores, load average {before:.1f} before "
        f"and {after:.1f} after; "
        + ", ".join(f"{name} {version}" for name, version in versions.items()),
        *(f"absent: {name}: {why}" for name, why in head["absent"].items()),
        "",
        contenders_table(rows),
        "",
        ratios_table(verdicts),
    ]
    return "\n".join(lines)


def contenders_table(rows):
    headers = ["contender", "setting", "ann_recall", "of float32", "QPS single", "QPS batch",
               "ns a posting", "index MB", "bytes an item", "bytes a posting",
               "build s / CPU s"]  # fmt: skip
    cells = [
        [
            row["name"],
            row["setting"],
            "" if row["recall"] is None else f"{row['recall']:.4f}",
            "" if row["kept_of_float32"] is None else f"{row['kept_of_float32']:.4f}",
            rate(row, "single"),
            rate(row, "batch"),
            ""
            if row["batch_ns_a_posting"] is None
            else f"{row['single_ns_a_posting']:.1f} / {row['batch_ns_a_posting']:.1f}",
            f"{row['index_bytes'] / 1e6:,.0f}",
            f"{row['bytes_an_item']:.0f}",
            "" if row["bytes_a_posting"] is None else f"{row['bytes_a_posting']:.2f}",
            f"{row['build_s']:.0f} / {row['build_cpu_s']:.0f}",
        ]
        for row in rows
    ]
    align = ["left", "left", *["right"] * 9]
    return tabulate(cells, headers, disable_numparse=True, colalign=align)


def rate(row, kind):
    low, high = row[f"{kind}_qps_interval"]
    return f"{row[f'{kind}_qps']:,.0f} [{low:,.0f}, {high:,.0f}]"


def ratios_table(verdicts):
    headers = ["scenario", "merge", "against the fastest of", "it is", "ratio", "bar", ""]
    cells = [
        [
            one["scenario"],
            one["name"],
            ", ".join(one["against"]),
            one["best"],
            f"{one['ratio']:.1f} [{one['interval'][0]:.1f}, {one['interval'][1]:.1f}]",
            "" if one["bar"] is None else f"{one['bar']:g}",
            {None: "", True: "met", False: "MISSED"}[one["met"]],
        ]
        for one in verdicts
    ]
    align = ["left"] * 4 + ["right", "right", "left"]
    return tabulate(cells, headers, disable_numparse=True, colalign=align)
