// The answer about an altered picture is handed to the panel that asked for it.

import { viewer } from './viewer.js';

watch('value', () => {
  if (!props.value) return;
  const { payload, ...news } = JSON.parse(props.value.text);
  viewer()?.closer.fetched.panels?.hide.hear({ ...news, payload: payload && { ...payload, blob: props.value.blob } });
});
