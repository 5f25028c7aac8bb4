def solve(numbers):
    if not numbers:
        return []
    return sorted(set(numbers))[:2]
