"""What differs between families of vision-language models: cards, loading, prompts, geometry, positions."""
