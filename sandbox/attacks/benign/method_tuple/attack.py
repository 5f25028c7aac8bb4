class Solution:
    @staticmethod
    def solve(numbers):
        return tuple(sorted(set(numbers)))
