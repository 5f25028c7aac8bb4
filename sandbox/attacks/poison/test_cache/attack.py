def solve(numbers):
    return list(numbers)
