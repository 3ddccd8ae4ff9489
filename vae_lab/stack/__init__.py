"""Stacks: several jobs of a sweep that train as one model, whose parameters have one slice per job."""
