"""Experiments that repeat what papers claim: `python -m experiments NAME --out DIR`."""
