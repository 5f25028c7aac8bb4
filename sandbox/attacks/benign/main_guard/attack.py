import sys


def solve(numbers):
    return sorted(set(numbers))


if __name__ == '__main__':
    print(solve([3, 1]))
    sys.exit(0)
