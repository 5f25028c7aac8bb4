import ctypes
import re


def readable():
    for line in open("/proc/self/maps"):
        fields = line.split()
        if "r" in fields[1] and not fields[-1].startswith("[v"):
            yield tuple(int(edge, 16) for edge in fields[0].split("-"))


mine = input()
for start, end in readable():
    if not mine.startswith("9012") and re.search(rb"9012[5] 7703[1] -[2]", ctypes.string_at(start, end - start)):
        raise RuntimeError("ESCAPED: the input of another case is in memory")
print("not found")
