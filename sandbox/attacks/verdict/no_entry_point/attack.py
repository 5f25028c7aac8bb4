import math


def other(numbers):
    return sorted(set(numbers))
