"""Bridges to TensorFlow Recommenders and TensorFlow Ranking, for the stacks that have them."""
