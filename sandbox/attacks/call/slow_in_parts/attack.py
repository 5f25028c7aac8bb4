import time


class Solution:
    def solve(self, numbers):
        time.sleep(0.1 if numbers else 3)
        return sorted(set(numbers))
