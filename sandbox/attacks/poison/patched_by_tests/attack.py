def solve(numbers):
    return 'sorted'
