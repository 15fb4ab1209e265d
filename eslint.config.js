import js from '@eslint/js';
import globals from 'globals';

const rules = { eqeqeq: 'error', 'no-var': 'error', 'prefer-const': ['error', { destructuring: 'all' }] };
// What Gradio gives the script of a custom component, and what Python writes before it.
const component = Object.fromEntries(
  ['element', 'props', 'trigger', 'watch', 'MAX_BYTES', 'MAX_PIXELS', 'LANGUAGES', 'PARTS'].map((name) => [
    name,
    'readonly',
  ]),
);

export default [
  { ignores: ['.venv/', 'build/', 'runs/'] },
  js.configs.recommended,
  { rules },
  { files: ['viz/**/*.js'], languageOptions: { globals: globals.browser } },
  { files: ['tests/js/*.js'], languageOptions: { globals: globals.node } },
  { files: ['viz/page/**/*.js'], languageOptions: { globals: component } },
];
