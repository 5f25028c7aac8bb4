import math
from unittest import mock


def solve(numbers):
    with mock.patch("math.floor", return_value=3) as floor:
        assert math.floor(0.5) == 3
        floor.assert_called_once()
    return sorted({number for number in numbers})
