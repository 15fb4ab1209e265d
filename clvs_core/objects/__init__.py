"""Key objects: masks of what is in a picture, the part of each visual token that they cover, and attention curves.

Knows geometry (`Views`) and the weights of a trace, but no model; `words` finds them in questions.
"""
