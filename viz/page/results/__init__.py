"""The Results tab: run folders as answers, tables and figures.

Knows which runs may be read and what a browser may choose of them; scores nothing (`clvs_core.benchmarks`) and draws
nothing (`viz.figures`).
"""
