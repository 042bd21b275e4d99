"""Reports: tables, charts and a page from comparisons; no results are read from disk here."""
