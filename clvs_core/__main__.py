"""`python -m clvs_core`: the command line."""

import sys

INTERRUPTED = 130

if __name__ == "__main__":
    try:
        from .cli.main import main  # takes seconds, in which an impatient Ctrl-C should not print a traceback

        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
