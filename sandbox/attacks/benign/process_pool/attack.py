from concurrent.futures import ProcessPoolExecutor


def solve(numbers):
    with ProcessPoolExecutor(1) as pool:
        return sorted(pool.submit(set, numbers).result())
