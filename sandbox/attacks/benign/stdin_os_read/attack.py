import os

text = os.read(0, 1 << 16)
os.write(1, ' '.join(map(str, sorted(set(map(int, text.split()))))).encode())
