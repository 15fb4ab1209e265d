"""What `python -m clvs_core doctor` looks at: the machine, and whether a model is computed rightly on it.

Holds the engine to plain float64 formulas and to the stock model; prints nothing (`cli.doctor` does).
"""
