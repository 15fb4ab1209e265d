// Written by python -m viz.viewer.written from viz/scales.py, which says what these are.
export const CLIP = 99.5;
export const UNIFORM_HIGH = 10.0;
export const OPACITY = 0.92;
export const MODES = ["shared", "layer", "map", "uniform"];
export const MAPS = ["magma", "viridis", "cividis"];
export const DIVERGING = "PuOr_r";
export const STYLES = [{"colour": "#6a46c2", "dark": "#b49df2", "dash": [5, 4], "mark": "ring"}, {"colour": "#c2570c", "dark": "#f0a050", "dash": [], "mark": "dot"}, {"colour": "#0b7a75", "dark": "#4fc4bc", "dash": [2, 3], "mark": "square"}, {"colour": "#7a0f3c", "dark": "#fb5184", "dash": [9, 3, 2, 3], "mark": "diamond"}];
