def solve(numbers):
    return [int(word) for word in input().split()]
