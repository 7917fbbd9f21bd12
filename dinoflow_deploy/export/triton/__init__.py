"""The target Triton: a version of a model in a repository of Triton Inference Server."""
