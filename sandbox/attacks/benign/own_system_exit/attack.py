import sys


def solve(numbers):
    try:
        sys.exit(1)
    except SystemExit:
        return sorted(set(numbers))
