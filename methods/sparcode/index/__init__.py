"""The index: posting lists of codes, how they are built, cut, packed and written."""
