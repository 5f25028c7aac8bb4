import sys


def solve(numbers):
    while True:
        print('x' * 999)
        print('y' * 999, file=sys.stderr)
