"""Reports: tables from comparisons; no file is read here."""
