def solve(numbers):
    return len(bytearray(1 << 40))
