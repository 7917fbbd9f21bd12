"""A Triton Inference Server as an engine."""
