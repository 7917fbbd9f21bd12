"""The reference model and its trainer."""
