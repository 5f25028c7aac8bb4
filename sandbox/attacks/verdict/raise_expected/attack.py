CALLS = []


def solve(numbers):
    CALLS.append(1)
    raise [ValueError, TypeError, KeyError, IndexError, ZeroDivisionError][len(CALLS) % 5]('expected')
