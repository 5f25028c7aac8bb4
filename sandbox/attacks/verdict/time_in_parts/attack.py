import time


def solve(numbers):
    time.sleep(0.4)
    return sorted(set(numbers))
