import os

for pid in {os.getppid(), 1} - {0, os.getpid()}:
    try:
        with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as memory:
            start = int(maps.readline().split("-")[0], 16)
            memory.seek(start)
            memory.read(16)
    except OSError:
        continue
    raise RuntimeError("ESCAPED: its memory can be read")
print("not found")
