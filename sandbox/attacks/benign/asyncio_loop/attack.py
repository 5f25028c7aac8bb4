import asyncio


async def ordered(numbers):
    await asyncio.sleep(0)
    return sorted(set(numbers))


def solve(numbers):
    return asyncio.run(ordered(numbers))
