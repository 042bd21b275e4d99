"""What tells one record of a run from the others, whatever its attempt."""

import json
from collections.abc import Mapping
from typing import Any


def setting_key(trial_id: str, search: Mapping[str, Any], load: Mapping[str, Any]) -> str:
    """Return what a record of a trial is known by: its search setting and its load."""
    return json.dumps([trial_id, search, load], sort_keys=True)
