"""Where each visual token lies on the original picture: grids, and one function per model family."""
