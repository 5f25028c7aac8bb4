import sys

sys.stdout.reconfigure(newline='\r\n')
print(*sorted(set(map(int, input().split()))))
print()
