import json
import logging
import tempfile
import warnings


def solve(numbers):
    warnings.warn("slow")
    logging.getLogger(__name__).warning("numbers: %s", numbers)
    with open("numbers.json", "w") as file:
        json.dump(sorted(set(numbers)), file)
    with tempfile.TemporaryDirectory(), open("numbers.json") as file:
        return json.load(file)
