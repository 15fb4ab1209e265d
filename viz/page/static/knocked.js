// What a knock-out has found is handed to the viewer.

import { viewer } from './viewer.js';

watch('value', () => props.value && viewer()?.knocked(JSON.parse(props.value)));
