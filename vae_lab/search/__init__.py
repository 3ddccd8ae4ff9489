"""What a sweep tries next. They know nothing of how a job is carried out."""
