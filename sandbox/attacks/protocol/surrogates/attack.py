def solve(numbers):
    return [float('nan'), float('inf'), '\ud800']
