def solve(numbers):
    raise StopIteration
