"""`python -m codebudget`."""

from .cli.main import main

main()
