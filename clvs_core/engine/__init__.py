"""How a question is run: a tree of key/value segments, branches in lock-step, rows recorded on the way."""
