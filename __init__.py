"""codebudget: which code model, how many samples, and how to pick among them, for the same compute."""

__version__ = "0.1.0"
