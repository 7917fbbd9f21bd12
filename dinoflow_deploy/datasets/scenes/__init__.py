"""Synthetic scenes with exact flow, drawn by NumPy."""
