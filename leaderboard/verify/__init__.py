"""Verification of a run that someone else made."""
