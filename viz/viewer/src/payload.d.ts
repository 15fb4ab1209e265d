// Written by python -m viz.viewer.written from viz/viewer/contract.py, which says what the parts are.

export interface Acts {
  summary: string;
  stage: string;
  rows: 'last' | 'after_image';
  layers: number[] | null;
  contrast: string;
  paper: string;
  records: string[];
}

export interface PartCard {
  summary: string;
  stage: string;
  rows: 'last' | 'after_image';
  layers: number[] | null;
  contrast: string;
  paper: string;
  records: string[];
  label: string;
}

export interface Card {
  summary: string;
  stage: string;
  rows: 'last' | 'after_image';
  layers: number[] | null;
  contrast: string;
  paper: string;
  records: string[];
  acted: string;
  tau: number | null;
  parts: PartCard[];
}

export interface Token {
  id: number;
  text: string;
  probability: number;
  names?: string;
}

export interface Contrast {
  against: string;
  steps: [string, number, number, number][][];
}

export interface Method {
  text: string;
  finished: boolean;
  tokens: Token[];
  stop: number[];
  uncertainty: ((number | null)[])[];
  threshold: number | null;
  first_check: number | null;
  lens: ((([string, number | null])[])[])[] | null;
  sinks: number[][] | null;
  heads: number[][][] | null;
  contrast: Contrast | null;
  memory: 'layers' | 'words' | null;
  key: string;
  name: string;
  label: string;
  spec: string;
  settings: string;
  card: Card;
}

export interface Object {
  name: string;
  word?: string;
  on: boolean;
  source: string;
  area: number;
  seen: number;
  contours: number[][][];
}

export interface Rest {
  words: string[];
  asked: number[];
}

export interface Model {
  name: string;
  label: string;
}

export interface Image {
  url: string;
  w: number;
  h: number;
  seen: number[];
}

export interface View {
  start: number;
  rows: number;
  cols: number;
  stride: number;
  region: number[];
  kind: string;
}

export interface Left {
  spec: string;
  rows: 'word' | 'question' | 'both';
  token: string;
  probability: number;
  kept: (number | null)[];
  only: (number | null)[];
  control: (number | null)[];
  instead: ([string, number] | null)[];
  everywhere: number | null;
  matters: number[];
}

export interface Knockout {
  step: number;
  on: string[];
  region: Record<string, any> | null;
  window: number;
  hidden: number;
  left: Left[];
  reads: Record<string, string>;
}

export interface Survivor {
  spec: string;
  name: string;
  named: (boolean | null)[];
  said: (string | null)[];
  everywhere: boolean | null;
  said_everywhere: string | null;
}

export interface Survival {
  specs: string[];
  rows: 'word' | 'question' | 'both';
  window: number;
  objects: Survivor[];
}

export interface Place {
  offset: number;
  shape: number[];
}

export interface Payload {
  v: 1;
  id: string;
  status: 'running' | 'done';
  progress: string;
  error: string;
  model: Model;
  question: string;
  image: Image;
  views: View[];
  visual: number;
  layers: number;
  heads: number;
  methods: Method[];
  objects: Object[];
  absent?: string[];
  rest?: Rest | null;
  arrays: Record<string, Place>;
  blob: string;
  notes: string[];
  step: number;
  view: Record<string, any>;
  knockout?: Knockout | null;
  survival?: Survival | null;
}

export interface Offer {
  name: string;
  label: string;
  text: string;
  asks: boolean;
}

export interface Tries {
  alphas: number[];
  betas: number[];
  cells: [string, number][][];
  left: number | null;
}

export interface Recorded {
  name: string;
  id: string;
  label: string;
  rights: string;
}

export interface Expected {
  answer: string;
  note: string;
  less: boolean;
}

export interface Knocks {
  seconds: number;
  itself: boolean;
  named: string[];
  whole: number;
}

export interface PagePayload {
  v: 1;
  id: string;
  status: 'running' | 'done';
  progress: string;
  error: string;
  model: Model;
  question: string;
  image: Image;
  views: View[];
  visual: number;
  layers: number;
  heads: number;
  methods: Method[];
  objects: Object[];
  absent?: string[];
  rest?: Rest | null;
  arrays: Record<string, Place>;
  blob: string;
  notes: string[];
  step: number;
  view: Record<string, any>;
  knockout?: Knockout | null;
  survival?: Survival | null;
  stays?: string[];
  halts?: boolean;
  offer?: Offer | null;
  tries?: Tries;
  recorded?: Recorded;
  link?: string;
  again?: string;
  run?: string;
  expected?: Expected | null;
  knocks?: Knocks;
}
