import time

START = []


def solve(numbers):
    if not START:
        START.append(time.sleep(0.8))
    return sorted(set(numbers))
