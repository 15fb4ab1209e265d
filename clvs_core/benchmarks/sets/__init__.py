"""The four benchmarks, one file each: how its data is read, and its official score."""
