"""What differs between families of vision-language models: cards, prompts, processors, geometry, positions, memory.

Knows checkpoints as files and settings; knows nothing of branches, methods or traces.
"""
