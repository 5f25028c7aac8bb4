import sys

sys.setrecursionlimit(10**9)


def deep(value):
    return [deep([value])]


def solve(numbers):
    import json
    value = []
    for _ in range(10**6):
        value = [value]
    return json.dumps(value) + repr(value) + str(deep(value))
