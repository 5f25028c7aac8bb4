import sys
import threading


def deep(count):
    return count and 1 + deep(count - 1)


def main():
    assert deep(5000) == 5000
    print(*sorted(set(map(int, input().split()))))


sys.setrecursionlimit(1 << 16)
threading.stack_size(1 << 26)
threading.Thread(target=main).start()
