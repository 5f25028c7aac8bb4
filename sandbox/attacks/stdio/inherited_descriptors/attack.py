import os

for fd in range(3, 1024):
    try:
        kind = os.fstat(fd)
    except OSError:
        continue
    raise RuntimeError(f"ESCAPED: {fd} is open: {kind}")
print("not found")
