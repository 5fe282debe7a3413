"""Experiments: the demo and what comparisons share."""
