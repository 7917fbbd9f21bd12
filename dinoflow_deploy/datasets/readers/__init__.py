"""Readers of data sets as their authors lay them out."""
