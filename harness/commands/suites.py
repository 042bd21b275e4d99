"""The suite named on the command line, and what its options change in it."""

import argparse

from harness.commands.shipped import suite_folders
from harness.measure.device import best_device
from harness.run.plan import Choice
from harness.run.suite import Suite, find_suite, read_suite


def open_suite(options: argparse.Namespace) -> tuple[Suite, Choice]:
    """Return the suite and the choice of devices, seeds and methods."""
    suite = read_suite(find_suite(options.suite, suite_folders()))
    device = best_device() if options.device == "auto" else options.device
    return suite, Choice(
        devices=None if device is None else (device,),
        seeds=None if options.seed is None else tuple(options.seed),
        methods=options.methods,
    )
