"""Small models, networks and data with structures that the package does not have, to test its interfaces with."""
