"""Experiments on ranking for several objectives."""
