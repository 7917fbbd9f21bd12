"""What low precision costs, block by block."""
