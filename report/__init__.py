"""Comparison -> something to read."""
