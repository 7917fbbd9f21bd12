"""OpenCV's own optical flow."""
