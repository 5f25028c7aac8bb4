"""Limits to sample counts: what each model costs, and how many samples a limit buys.

Pure arithmetic; no torch, no network.
"""
