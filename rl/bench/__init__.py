"""Benchmarks: each measures one thing on real data and returns the figures as values."""
