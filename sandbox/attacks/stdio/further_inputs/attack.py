import os
import select
import time

text = input()
end = time.monotonic() + 0.1
while time.monotonic() < end:
    for source in ("/dev/stdin", "/proc/self/fd/0", 0):
        try:
            fd = os.dup(0) if source == 0 else os.open(source, os.O_RDONLY | os.O_NONBLOCK)
        except OSError:
            continue
        if select.select([fd], [], [], 0)[0] and os.read(fd, 100):
            raise RuntimeError("ESCAPED: there is more input")
        os.close(fd)
print("not found")
