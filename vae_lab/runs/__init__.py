"""A run folder: prepared, active, read back; and the state it is in."""
