// Which objects whole answers still name is handed to the panel that asked.

import { viewer } from './viewer.js';

watch('value', () => props.value && viewer()?.closer.fetched.panels?.answers.hear(JSON.parse(props.value)));
