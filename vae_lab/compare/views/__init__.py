"""The comparison as a terminal table, a CSV file, pictures and one HTML page."""
