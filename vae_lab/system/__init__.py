"""Helpers around the operating system: files, processes, start-up, memory and optional packages."""
