"""The page: one HTML file that holds tables, charts, data and the program that draws them."""
