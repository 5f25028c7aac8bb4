import sys

sys.setrecursionlimit(10**4)


def depth(count):
    return 0 if count == 0 else 1 + depth(count - 1)


def solve(numbers):
    assert depth(5000) == 5000
    return sorted(set(numbers))
