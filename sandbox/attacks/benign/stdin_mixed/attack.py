import sys

text = input()
assert sys.stdin.readlines() == []
print(*sorted(set(map(int, text.split()))))
