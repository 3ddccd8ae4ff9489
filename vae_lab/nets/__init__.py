"""Encoder and decoder networks, without probability distributions and losses."""
