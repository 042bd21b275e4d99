"""Print by how much a clock that does not wait for the GPU would have been wrong.

Run as ``PYTHONPATH=suites python -m micro.unsynchronised [--device cuda]``. One exact search by
torch (matrix product and top-k, float32) is timed call by call, first by a clock that is read when
the work was handed over, then by the harness's, which waits. Both in turns; medians of each.
"""

import argparse
import itertools
import statistics
import sys

import torch
from tabulate import tabulate

from harness.measure.clock import Clock, clock_for
from harness.measure.device import describe_device, missing_device

N_ITEMS, DIM, K, CALLS, TURNS = 1_000_000, 64, 100, 20, 10


def time_calls(clock: Clock, batch: torch.Tensor, items: torch.Tensor) -> list[float]:
    """Return the seconds of each call, with the device idle before the first."""
    torch.cuda.synchronize()
    seconds = []
    for _ in range(CALLS):
        start = clock()
        torch.topk(batch @ items.T, K, dim=1)
        seconds.append(clock() - start)
    torch.cuda.synchronize()
    return seconds


def main() -> int:
    """Measure several batch sizes and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda", help="cuda or cuda:N (default: cuda)")
    device = parser.parse_args().device
    if reason := missing_device(device):
        sys.stdout.write(f"{reason}: nothing was measured\n")
        return 0
    items = torch.randn(N_ITEMS, DIM, device=device)
    rows = []
    for size in (1, 32, 256):
        batch = torch.randn(size, DIM, device=device)
        hasty, patient = Clock(), clock_for(device)
        time_calls(patient, batch, items)  # warm
        pairs = [
            (time_calls(hasty, batch, items), time_calls(patient, batch, items))
            for _ in range(TURNS)
        ]
        sides = [list(itertools.chain(*side)) for side in zip(*pairs, strict=True)]
        medians = [statistics.median(side) for side in sides]
        rows.append([size, *(1e6 * one for one in medians), medians[1] / medians[0]])
    headers = ["batch", "not waiting us", "waiting us", "times too fast"]
    table = tabulate(rows, headers=headers, floatfmt=",.4g")
    sys.stdout.write(f"{table}\n{describe_device(device)}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
