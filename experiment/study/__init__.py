"""The study of precision: a board of models and recipes to rows, answers and advice."""
