while True:
    pass


def solve(numbers):
    return sorted(set(numbers))
