"""ONNX to TensorRT plans, for TensorRT 10.16 and 11 and for TensorRT-RTX.

Nothing here needs torch: a machine with a GPU builds from a bundle that was exported elsewhere. What could be
run without a GPU was: every step with TensorRT-RTX, whose parser and builder are TensorRT's own. TensorRT's
libraries for data-centre GPUs were not run.
"""
