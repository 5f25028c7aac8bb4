"""`python -m codebudget`."""

import os
import sys

# Python looks for modules in the folder that it was started in first, and that may be a stranger's run.
if not sys.flags.safe_path and sys.path[0] in ("", os.getcwd()):
    del sys.path[0]

from .cli.main import main

main()
