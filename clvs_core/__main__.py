"""`python -m clvs_core`, installed as `clvs`: the command line."""

from __future__ import annotations

import sys

INTERRUPTED = 130


def main() -> int:
    """Runs the command line; 130 when interrupted."""
    try:
        from .cli.main import main  # takes seconds, in which an impatient Ctrl-C should not print a traceback

        return main()
    except KeyboardInterrupt:
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
