class Mine(AssertionError):
    pass


def solve(numbers):
    raise Mine
