// What outlives a reload, where the browser lets a page keep anything at all.

export function browserKeeps(name, value) {
  try {
    localStorage.setItem(name, value);
  } catch {
    /* private window: until the reload */
  }
}

export function browserKept(name) {
  try {
    return localStorage.getItem(name);
  } catch {
    return null;
  }
}
