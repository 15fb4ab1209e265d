"""How the embedded model (assets/scenes_model) and the example scenes (assets/scenes) were made; see README.md."""
