import time

for character in "1 3\n" * 100:
    print(character, end="", flush=True)
    time.sleep(0.05)
