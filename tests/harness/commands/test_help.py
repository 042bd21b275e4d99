"""`--help` of every command: words as they are meant to be read."""

import pytest

from harness.arguments import make_parser
from harness.cli import COMMANDS


@pytest.mark.parametrize("command", COMMANDS)
def test_help_doubles_no_percent_sign(command, capsys):
    """In the help of options argparse halves %%, in descriptions it does not."""
    with pytest.raises(SystemExit):
        make_parser().parse_args([command, "--help"])
    assert "%%" not in capsys.readouterr().out
