import os
import time


def solve(numbers):
    time.sleep(600)
