def solve(numbers):
    try:
        bytearray(1 << 40)
    except MemoryError:
        return list(numbers)
