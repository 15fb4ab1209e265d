"""The web page: sections, handlers, limits, links, typed endpoints; the engine is reached through `clvs_core` only."""
