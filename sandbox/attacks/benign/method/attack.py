class Solution:
    def __init__(self):
        self.seen = []

    def keep(self, number):
        if number not in self.seen:
            self.seen.append(number)

    def solve(self, numbers):
        for number in numbers:
            self.keep(number)
        return sorted(self.seen)
