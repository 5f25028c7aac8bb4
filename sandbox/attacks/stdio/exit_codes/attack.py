import os
import random
import sys

text = sys.stdin.read()
way = len(text) % 4
if way == 0:
    sys.exit(0)
elif way == 1:
    os._exit(0)
elif way == 2:
    raise SystemExit("1 3")
else:
    os.execv("/bin/sh", ["sh", "-c", "exit 0"])
