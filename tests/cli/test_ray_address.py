"""`--ray` takes auto or HOST:PORT, and says so before it looks for anything."""

import pytest


@pytest.mark.parametrize(
    "address", ["here", "127.0.0.1", ":6379", "127.0.0.1:", "a:0", "a:70000", "ray://a:10001", "local"]
)
def test_what_is_no_address_is_refused(codebudget, address):
    done = codebudget("sample", "250k:1", "--family", "nano", "--benchmark", "nano", "--ray", address)
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        f"codebudget: --ray {address}: write auto, or HOST:PORT as ray start --head prints it"
    ]
