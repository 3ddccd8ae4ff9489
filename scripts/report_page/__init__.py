"""One page of the report's experiments: what it states, and whether that holds here."""
