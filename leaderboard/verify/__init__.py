"""Verification of a run that somebody else made."""
