"""Run directories -> a static site."""
