"""Backends: one S3-compatible store each. `interface` is what drivers need of one; the rest stands beside it."""
