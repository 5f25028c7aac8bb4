import sys

print('x' * 100_000, file=sys.stderr)
text = input()
print(*sorted(set(map(int, text.split()))))
