"""``matchbench plan``: check a suite and show its trials."""

import argparse

from harness.commands.suites import open_suite
from harness.data.catalog import data_root, is_present
from harness.measure.machine import check_faiss
from harness.run.inputs import load_parts
from harness.run.plan import check_against_data


def main(options: argparse.Namespace) -> int:
    """Print the trials, one a line; faults of the suite, or of its data if they are here, raise."""
    check_faiss()
    suite, trials = open_suite(options)
    print(f"{suite.name}: {suite.question}")
    if is_present(suite.dataset, options.data_root):
        parts = load_parts(suite.dataset, trials[0].dataset_params, suite.split, options.data_root)
        check_against_data(suite, trials, parts)
        print(
            f"data: {parts.protocol}\n"
            f"{parts.full_train.n_users} users, "
            f"{parts.full_train.n_items} items, {parts.full_train.n_events} training events, "
            f"{len(parts.test)} test queries; hash {parts.data_hash[:12]}"
        )
    else:
        where = data_root(options.data_root)
        print(f"data: {suite.dataset} is not in {where}; `matchbench data add {suite.dataset}`")
    for trial in trials:
        given = {name: one for name, one in trial.build.items() if one is not None}
        parameters = ", ".join(f"{name} = {value}" for name, value in given.items())
        print(
            f"{trial.trial_id}  {trial.case}  {trial.device}  seed {trial.seed}  "
            f"{trial.n_points} operating points  {parameters}".rstrip()
        )
    return 0
