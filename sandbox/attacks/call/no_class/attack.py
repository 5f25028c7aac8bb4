class Solution:
    pass


def solved(numbers):
    return sorted(set(numbers))
