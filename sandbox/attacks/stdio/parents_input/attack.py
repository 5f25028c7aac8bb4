import os

for pid in {os.getppid(), 1} - {0, os.getpid()}:
    for fd in range(12):
        try:
            os.open(f"/proc/{pid}/fd/{fd}", os.O_RDONLY | os.O_NONBLOCK)
        except OSError:
            continue
        raise RuntimeError("ESCAPED: it can be read")
print("not found")
