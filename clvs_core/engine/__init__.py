"""How questions are asked of a loaded model: what is computed once and shared, what each method changes, what is kept.

checkpoint, model       a loaded model; the one that opens pictures
images, cache, room     a picture ready for questions; how many are kept; what memory allows
segments, questions     the keys of a picture and of questions behind it, and the passes that make them
tree                    a prompt's beginning with the questions behind it, each computed once
branches, editing       one row per method and question, and who edits it
attention, lens         attention over the shared keys; what a layer would say
decode, record, runs    token by token; what a pass leaves behind; answers as they grow

Knows no family by name (`models` does), no file and no page.
"""
