"""The outputs of a comparison: a terminal table, a CSV file, PNG pictures and one HTML page."""
