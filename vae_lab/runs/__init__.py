"""Runs: how they are prepared and carried out, and how their folders are written, read and checked."""
