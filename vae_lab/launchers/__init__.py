"""Launchers: they carry out the jobs of a sweep in some place, and do not depend on what a job does."""
