"""Jobs of a sweep that are trained as one stacked model: which of them, how, and what each gets of its own."""
