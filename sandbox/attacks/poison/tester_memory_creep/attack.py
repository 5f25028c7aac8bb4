def solve(numbers):
    return 'x' * (8 << 20)
