"""Tables of runs: honest numbers of each benchmark, or the paper's own beside ours. Knows no model."""
