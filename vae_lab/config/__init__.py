"""From words and YAML to settings and objects. Hydra is known here and in the command line alone."""
