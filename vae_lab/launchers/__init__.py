"""Where the jobs of a sweep are carried out. They know nothing of what a job does."""
