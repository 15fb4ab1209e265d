"""What a model must be searched for before a method can run on it: VAR's sink dimensions, AD-HH's heads."""
