"""Bridges to TensorFlow Recommenders, TensorFlow Ranking, ScaNN and FAISS."""
