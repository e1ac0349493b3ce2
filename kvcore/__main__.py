"""``python -m kvcore`` is ``kvcore-server``."""

from __future__ import annotations

import sys

from kvcore.frontends.cli import main

if __name__ == "__main__":
    sys.exit(main())
