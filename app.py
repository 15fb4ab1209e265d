"""CLVS Explorer in the browser: `python app.py`, or this file as it is on a Hugging Face Space."""

import sys

from viz.page.main import main

if __name__ == "__main__":
    sys.exit(main(prog="python app.py"))
