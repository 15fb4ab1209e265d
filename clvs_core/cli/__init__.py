"""The command line: one file a command, named like it; `main` puts them together, `options` and `choose` are shared.

A command has `add(commands)`, its options, and `run(options)`, which prints results and may return an exit code. Knows
how people name things and what they read; how it is computed stands in the other packages, of which none imports this.
"""
