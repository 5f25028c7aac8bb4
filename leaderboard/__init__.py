"""Leaderboard runs: a board file becomes a run directory that anyone can verify."""
