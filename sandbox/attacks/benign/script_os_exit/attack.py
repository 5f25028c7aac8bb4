import os
import sys

text = input()
print(*sorted(set(map(int, text.split()))))
sys.stdout.flush()
os._exit(0)
