"""What happens around training: the history file, the progress line, checkpoints."""
