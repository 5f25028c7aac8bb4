def solve(numbers):
    found = set()
    while numbers:
        found.add(numbers.pop())
    return sorted(found)
