def solve(numbers):
    written = 0
    for name in range(20):
        with open(f'part-{name}', 'wb') as part:
            for _ in range(60):
                written += part.write(bytes(1 << 20))
    raise RuntimeError(f'ESCAPED: {written >> 20} MiB on disk')
