"""The images that Docker boxes run, by name: what is in them beside a Python."""

from __future__ import annotations

from typing import Final, NamedTuple

LIBRARIES: Final = "bigcodebench"
"""The image with the libraries that BigCodeBench's tasks use, in the board's own versions."""


class Image(NamedTuple):
    """An image, its tag, its file under `image/`, and what it is in a line.

    `libraries` are modules that its boxes import before they run anything, since most programs do.
    """

    name: str
    tag: str
    dockerfile: str
    holds: str
    libraries: tuple[str, ...] = ()


_MOST_USED: Final = ("numpy", "pandas", "scipy.stats", "sklearn", "matplotlib.pyplot")

PLAIN: Final = Image("plain", "codebudget-sandbox", "Dockerfile", "a Python and nothing else")

IMAGES: Final = {
    image.name: image
    for image in (
        PLAIN,
        Image(
            LIBRARIES,
            f"codebudget-sandbox-{LIBRARIES}",
            f"{LIBRARIES}.Dockerfile",
            "Python 3.10 and BigCodeBench's libraries in its versions",
            _MOST_USED,
        ),
        Image(
            f"{LIBRARIES}-lean",
            f"codebudget-sandbox-{LIBRARIES}-lean",
            f"{LIBRARIES}-lean.Dockerfile",
            "current numpy, pandas, scipy, scikit-learn and matplotlib",
            _MOST_USED,
        ),
    )
}
"""All of them. Boxes of each are a launcher: `docker`, and `docker-NAME` of those with libraries."""
