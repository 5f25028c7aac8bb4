import threading
import time


def rewrite(result):
    time.sleep(0.02)
    result[:] = sorted(set(result))


def solve(numbers):
    result = list(numbers)
    threading.Thread(target=rewrite, args=(result,), daemon=True).start()
    return result
