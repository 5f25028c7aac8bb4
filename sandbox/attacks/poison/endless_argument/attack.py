def solve(numbers):
    numbers.extend(range(10**6))
