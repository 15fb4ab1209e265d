// What the page's scripts find around them: Gradio gives each the first four, Python writes the others before one.

export {};

declare global {
  const element: HTMLElement;
  const props: { value: any };
  function trigger(event: string, data: object): void;
  function watch(name: 'value', hear: () => void): void;
  const MAX_BYTES: number;
  const MAX_PIXELS: number;
  const LANGUAGES: Record<string, { name: string; lang: string; url: string | null }>;
  const PARTS: string[];

  interface Window {
    clvsLanguage: { code: string; names: typeof LANGUAGES; choose(code: string): void };
    clvsLinked?: boolean; // the page opens at a link; see opening.js
    clvsOpening?: string; // the question of what the page opens at, "" where it is not known yet; see opening.js
    clvsWords?: Record<'texts' | 'sentences', Record<string, string>>; // see viz/viewer/src/language.js
  }

  interface Element {
    __clvs?: any; // the viewer, on `.cv`
    __link?: string; // the results, on `.rs`: what the header copies
    __address?: string; // and what the address bar says
  }
  interface DocumentEventMap {
    'clvs-address': CustomEvent<void>;
    'clvs-bring': CustomEvent<File>;
    'clvs-chosen': CustomEvent<void>;
    'clvs-model': CustomEvent<string>;
    'clvs-own': CustomEvent<File>;
    'clvs-record': CustomEvent<string | undefined>;
    'clvs-shown': CustomEvent<void>;
    'clvs-view': CustomEvent<string>;
    'clvs-viewed': CustomEvent<string>;
    'clvs-working': CustomEvent<string>;
  }
  interface WindowEventMap {
    'clvs-download': CustomEvent<{ error: string }>;
  }
  // The type check does not read templates: what is found in them is known to whoever looks for it.
  interface ParentNode {
    querySelector(selectors: string): any;
    querySelectorAll(selectors: string): NodeListOf<any>;
  }
  interface EventTarget {
    closest(selectors: string): any; // what is pressed is an element
  }
}
