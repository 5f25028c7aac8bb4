def solve(numbers):
    with open('sparse', 'wb') as sparse:
        sparse.truncate(1 << 40)
    return list(numbers)
