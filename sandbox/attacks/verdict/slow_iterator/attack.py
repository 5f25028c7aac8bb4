import time


def solve(numbers):
    def drip():
        while True:
            time.sleep(0.3)
            yield 1
    return drip()
