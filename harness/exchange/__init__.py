"""Exchange: records and lists -> the files of other programs, and their runs -> ours."""
