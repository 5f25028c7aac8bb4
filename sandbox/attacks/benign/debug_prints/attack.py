def solve(numbers):
    if not numbers:
        print('debug\n' * 17_000)
    return sorted(set(numbers))
