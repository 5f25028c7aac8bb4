import random


def solve(numbers):
    numbers = list(numbers)
    random.shuffle(numbers)
    return sorted(set(numbers))
