"""From limits to sample counts: each model's cost, and the samples a limit buys.

Pure arithmetic; no torch, no network.
"""
