"""The suite named on the command line, and what its options change in it."""

import argparse

from harness.commands.shipped import suite_folders
from harness.errors import SuiteError
from harness.measure.device import best_device
from harness.run.plan import Choice, plan_trials
from harness.run.suite import Suite, find_suite, parse_suite, raise_faults
from harness.run.trial_spec import TrialSpec


def open_suite(options: argparse.Namespace) -> tuple[Suite, list[TrialSpec]]:
    """Return the suite and its trials, as the options choose devices, seeds and methods.

    Raises
    ------
    SuiteError
        Every fault of the file, whatever its kind.
    """
    suite, choice, faults = choose(options)
    return suite, plan_trials(suite, choice, faults)


def choose(options: argparse.Namespace) -> tuple[Suite, Choice, list[str]]:
    """Return the suite, what the options change in it, and the file's faults of form.

    Raises
    ------
    SuiteError
        There is no such file, or too little of it is whole.
    """
    path = find_suite(options.suite, suite_folders())
    suite, faults = parse_suite(path)
    if suite is None:
        raise_faults(str(path), faults)
        raise SuiteError(f"{path}: holds no case")
    device = best_device() if options.device == "auto" else options.device
    choice = Choice(
        devices=None if device is None else (device,),
        seeds=None if options.seed is None else tuple(options.seed),
        methods=options.methods,
        profile=options.profile,
        suite=options.suite,
    )
    return suite, choice, faults
