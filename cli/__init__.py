"""The commands that people type. Each group has its file; what they share is in `options`, `output` and `failures`."""
