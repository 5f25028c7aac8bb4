def solve(numbers):
    return 'x' * (1 << 20)
