"""What happens around training: the history file, the progress line, the check for divergence."""
