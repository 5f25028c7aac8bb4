import time


def solve(numbers):
    time.sleep(10**6)
