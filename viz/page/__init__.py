"""The page: a Gradio app over the engine, for one owner or many visitors.

`main` reads options, `build` puts the page together, `explore` and `results` say what stands where, and the desks
(`desks`) answer its events. Knows no tensor: models are loaded, offered and asked through `models`, `offers`, `asking`.
"""
