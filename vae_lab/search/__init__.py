"""Searches: they decide which jobs a sweep runs next, and do not depend on how a job is carried out."""
