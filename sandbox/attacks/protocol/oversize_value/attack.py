def solve(numbers):
    return 'x' * (20 << 20)
