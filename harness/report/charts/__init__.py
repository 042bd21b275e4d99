"""Charts: Vega-Lite specifications made from comparisons, for the page and for papers alike."""
