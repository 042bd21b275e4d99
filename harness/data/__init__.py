"""Data: public files and synthetic logs -> splits with queries and the items that answer them."""
