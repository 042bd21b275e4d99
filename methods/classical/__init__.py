"""The baselines that expose weak claims: counting, neighbourhoods, closed forms."""
