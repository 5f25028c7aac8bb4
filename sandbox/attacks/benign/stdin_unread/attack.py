import sys

text = ''
while not text.endswith(chr(10)):
    text += sys.stdin.read(1)
print(*sorted(set(map(int, text.split()))))
