"""The store: records appended to and read from disk."""
