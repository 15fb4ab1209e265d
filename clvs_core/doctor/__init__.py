"""What `python -m clvs_core doctor` looks at: the machine, and whether a model is computed rightly on it."""
