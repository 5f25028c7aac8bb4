def solve(numbers):
    numbers.clear()
    return []
