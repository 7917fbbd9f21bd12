"""Running and naming TensorRT: which flavours there are, and the engine that runs a plan."""
