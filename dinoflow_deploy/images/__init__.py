"""Reading image files: what is whole, and what only looks so."""
