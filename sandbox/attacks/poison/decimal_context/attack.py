def solve(numbers):
    return 1
