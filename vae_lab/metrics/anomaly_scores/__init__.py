"""Anomaly scores, one file each: a number for every example, which is higher the more anomalous the example is."""
