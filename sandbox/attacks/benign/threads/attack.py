import threading


def solve(numbers):
    found = set()
    threads = [threading.Thread(target=found.add, args=(number,)) for number in numbers[:8]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sorted(set(numbers))
