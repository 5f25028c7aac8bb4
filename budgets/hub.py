"""The `config.json` of a model on the Hugging Face hub, or in its cache: the one place where budgets go online."""

from __future__ import annotations

import os
import re
from typing import Final

_HUB_ID: Final = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}")
_PROBE_S: Final = 5.0


def looks_like_hub_id(name: str) -> bool:
    """Whether a name has the form `OWNER/NAME`."""
    return _HUB_ID.fullmatch(name) is not None


def hub_config_file(name: str) -> str | None:
    """Path of a model's `config.json`, from the cache or else downloaded; None where neither gives it."""
    from huggingface_hub import constants, hf_hub_download, try_to_load_from_cache
    from huggingface_hub.errors import HfHubHTTPError

    cached = try_to_load_from_cache(name, "config.json")
    if isinstance(cached, str):
        return cached
    if constants.HF_HUB_OFFLINE or not _answers(os.environ.get("HF_ENDPOINT", constants.ENDPOINT)):
        return None
    try:
        return str(hf_hub_download(name, "config.json"))
    except (HfHubHTTPError, OSError):
        return None


def _answers(endpoint: str) -> bool:
    """Whether a server answers at all: the hub's own client retries for half a minute where none does."""
    import urllib.error
    import urllib.request

    try:
        urllib.request.urlopen(endpoint, timeout=_PROBE_S).close()
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True
