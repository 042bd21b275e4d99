"""A folder of results as asv's configuration names it."""

import asv.config


def asv_config(folder):
    conf = asv.config.Config()
    conf.results_dir = str(folder)
    conf.project = "matchbench"
    return conf
