"""Files, processes, start-up, memory and optional packages."""
