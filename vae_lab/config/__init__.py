"""Configs: from the words of a command line and YAML files to checked settings and objects.

Only this package and the command line import Hydra.
"""
