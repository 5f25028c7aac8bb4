import sys

text = sys.stdin.buffer.readline()
print(*sorted(set(map(int, text.split()))))
