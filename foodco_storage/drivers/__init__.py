"""Drivers: they do what flows ask for. `threads` for real, `simulation` one effect at a time under a test's control."""
