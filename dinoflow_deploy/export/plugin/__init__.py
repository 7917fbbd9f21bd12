"""The local correlation as a TensorRT plugin."""
