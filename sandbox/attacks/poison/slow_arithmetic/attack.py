def solve(numbers):
    return (1 << (8 << 20) - 8) - 1
