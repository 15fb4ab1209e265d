"""Where each visual token lies on the original picture, one family a file.

A family's file follows the settings of the processor at hand and the vision tower's patches, and checks the outcome
against what the processor really made. Knows nothing of weights, prompts or attention.
"""
