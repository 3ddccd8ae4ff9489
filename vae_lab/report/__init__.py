"""Reports of a run to the user: terminal output, titles and loggers."""
