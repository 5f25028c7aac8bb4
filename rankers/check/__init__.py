"""Checks of the rankers' contract."""
