"""Compression of models, and what it does to tokens and activations."""
