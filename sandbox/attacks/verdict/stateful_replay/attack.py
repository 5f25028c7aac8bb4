SEEN = []


def solve(numbers):
    SEEN.append(numbers)
    return SEEN[len(SEEN) // 2]
