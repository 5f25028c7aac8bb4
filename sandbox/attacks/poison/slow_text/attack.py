def solve(numbers):
    return 'a' * 60 + 'b'
