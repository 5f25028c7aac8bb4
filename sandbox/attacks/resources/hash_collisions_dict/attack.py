import time

PRIME = (1 << 61) - 1


def solve(numbers):
    grown, end, number = {}, time.process_time() + 0.6, 0
    while time.process_time() < end:
        for _ in range(100):
            number += 1
            grown[number * PRIME] = number
    return [grown, frozenset(grown), {(key,): 0 for key in range(10)}]
