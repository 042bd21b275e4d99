"""The subcommands of ``matchbench``, one file each; only they print. `harness.cli` loads them."""
