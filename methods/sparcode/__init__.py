"""SparCode: discrete query codes, a learned sparse inverted index."""
