"""OpenVINO, on the CPU and on Intel's GPUs and NPUs."""
