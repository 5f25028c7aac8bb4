CALLS = []


def solve(numbers):
    CALLS.append(1)
    return [float('nan'), float('inf'), -0.0, 1e308 * 10][len(CALLS) % 4]
