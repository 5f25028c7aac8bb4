def solve(numbers):
    return 7 ** numbers[0]
