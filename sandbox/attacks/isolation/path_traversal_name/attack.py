# ../../etc/passwd
import os


def solve(numbers):
    for name in ('../escaped', 'a\nb', 'x' * 255, '..\\..', '--help', ' '):
        try:
            open(name, 'w').close()
        except OSError:
            pass
    return list(numbers)
