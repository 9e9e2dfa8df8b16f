"""Benchmarks: each prints one line per figure and the ratio to a rival run in the same run."""
