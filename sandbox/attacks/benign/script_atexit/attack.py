import atexit
import io
import os
import sys

sys.stdout = io.StringIO()
atexit.register(lambda: os.write(1, sys.stdout.getvalue().encode()))
text = input()
print(*sorted(set(map(int, text.split()))))
