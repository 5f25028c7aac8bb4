import re


def solve(numbers):
    return re.match(r'(a+)+$', 'a' * 60 + 'b')
