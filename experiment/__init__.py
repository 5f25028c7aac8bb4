"""The experiment: plan, draw, grade, rank, compare and curve."""
