"""What a user types for the verifier."""

from typing import Final

VERIFIER: Final = "verifier"
"""The ranker's name."""

MODEL: Final = "model"
"""Its parameter that names a file of coefficients."""

SHIPPED: Final = "nano"
"""The value that stands for the file that comes with the package."""
