"""What building, running and inspecting TensorRT plans share: its two flavours, its log, a plan's header."""
