"""Everything drawn or clicked: scales, viewer, figures, exports and the page. Nothing here imports torch."""
