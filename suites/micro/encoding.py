"""Print what encoding a query costs: the compiled encoders against torch's modules, in turns.

Run as ``PYTHONPATH=suites python -m micro.encoding``. Both sides have the same random weights, run
in one process and in short turns on one thread: the compiled encoder that serves on the CPU, and
the modules that were trained, in the precision that a device serves them in (float32 of the two
towers, float64 of SparCode). Queries differ from call to call. 64 dimensions, histories of 50
items, SparCode with 2 heads of 1,024 codewords, 4 codes each. The time is that of the fastest turn.
"""

import argparse
import time

import numpy as np
import torch
from tabulate import tabulate

from harness.lists import Lists
from harness.measure.sending import no_collection
from harness.measure.threads import set_threads
from methods.encoders.query_tower import QueryTower
from methods.encoders.serving import WHOLE, CompiledTower
from methods.sparcode.model.encoder import Encoder
from methods.sparcode.params import SparCodeParams
from methods.sparcode.serving.compiled_encoder import CompiledEncoder

DIM, HISTORY, N_QUERIES = 64, 50, 1024


def main():
    """Time both sides of each encoder, one query at a time and in batches."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--turns", type=int, default=40)
    parser.add_argument("--items", type=int, nargs="+", default=[5_000, 41_000])
    options = parser.parse_args()
    set_threads(1)
    rows = []
    for n_items in options.items:
        random = np.random.default_rng(7)
        items = random.integers(n_items, size=(N_QUERIES, HISTORY))
        history = Lists(np.arange(N_QUERIES + 1) * HISTORY, items.ravel())
        for name, sides in (("two towers", towers(n_items)), ("SparCode", sparcode(n_items))):
            for batch in (1, 64, N_QUERIES):
                starts = range(0, min(N_QUERIES, 64 * batch), batch)
                asked = [history.take(np.arange(one, one + batch)) for one in starts]
                ours, modules = fastest(sides, asked, options.turns)
                rows.append([name, f"{n_items:,}", batch, f"{ours * 1e6:.2f}",
                             f"{modules * 1e6:.2f}", f"{modules / ours:.1f}"])  # fmt: skip
    headers = ["encoder", "items", "batch", "compiled us a query", "modules us a query", "ratio"]
    print(tabulate(rows, headers, disable_numparse=True))  # noqa: T201  a script run by hand


def towers(n_items):
    """Return both sides of a random query tower."""
    torch.manual_seed(0)
    tower = QueryTower(None, DIM, 128, "cpu").eval()
    table = torch.randn(n_items, DIM)
    compiled = CompiledTower(tower, None, table)

    def modules(history):
        with torch.inference_mode():
            return tower(history, None, table).numpy()

    return lambda history: compiled.vectors(history, None, WHOLE), modules


def sparcode(n_items):
    """Return both sides of a random encoder to codes."""
    torch.manual_seed(0)
    settings = SparCodeParams(dim=DIM, n_heads=2, n_codewords=1024, n_nearest=4).model
    encoder = Encoder(None, settings, "cpu").eval()
    encoder.quantizer.codebooks.data.normal_(std=0.2)
    table = torch.randn(n_items, DIM)
    compiled = CompiledEncoder(encoder, None, table)
    encoder, table = encoder.double(), table.double()

    def modules(history):
        with torch.inference_mode():
            tokens = encoder.tokens(encoder.query.inputs(history, None), table)
            return encoder.numbered(encoder.assign(tokens), tokens.given)

    return lambda history: compiled.encode(history, None, WHOLE), modules


def fastest(sides, asked, turns):
    """Return the seconds a query of each side's fastest turn."""
    best, n_queries = [np.inf, np.inf], sum(len(one) for one in asked)
    with no_collection():
        for _ in range(turns):
            for place, side in enumerate(sides):
                begun = time.perf_counter()
                for history in asked:
                    side(history)
                best[place] = min(best[place], (time.perf_counter() - begun) / n_queries)
    return best


if __name__ == "__main__":
    main()
