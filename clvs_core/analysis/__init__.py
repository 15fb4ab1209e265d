"""The numbers behind the figures: attention on key objects, convergence, sweeps; and the heads and sinks of a model."""
