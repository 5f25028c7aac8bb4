import os

end = os.open("/proc/self/fd/1", os.O_RDONLY | os.O_NONBLOCK)
for _ in range(2000):
    os.write(1, b"1 3\n")
    try:
        os.read(end, 4)
    except BlockingIOError:
        pass
