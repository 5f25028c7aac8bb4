import os


def solve(numbers):
    os.fork()
    return sorted(set(numbers))
