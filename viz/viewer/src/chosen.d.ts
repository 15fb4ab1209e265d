// Written by python -m viz.viewer.written from viz/viewer/view.py, which says what these are.
export interface Chosen {
  layer: number | null;
  step: number;
  scale: string;
  power: number;
  cmap: string;
  smooth: boolean;
  crop: boolean;
  contours: boolean;
  sinks: number;
  head: number | null;
  memory: boolean;
  diff: boolean;
  rings: boolean;
  grid: string;
  focus: string;
  on: string[] | null;
  region: Record<string, any> | null;
  rows: string;
  window: number | null;
  only: boolean;
  fill: string;
  lang: string;
  present: boolean;
  closer: string;
}
