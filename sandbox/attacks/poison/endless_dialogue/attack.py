def solve(numbers):
    return False
