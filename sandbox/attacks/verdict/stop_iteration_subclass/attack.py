class Stop(StopIteration):
    pass


def solve(numbers):
    raise Stop if numbers else GeneratorExit
