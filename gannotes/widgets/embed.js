// What a bundle carries, by its address from this module (bundle.py shows how to write it): `text` of a module is its
// bundle, `bytes` of another file are its bytes. A bundle has put a string there; in node the file itself is read.
const read = (url, encoding) => process.getBuiltinModule("node:fs").readFileSync(url, encoding);

export const text = (source) => (typeof source === "string" ? source : read(source, "utf8"));

export const bytes = (source) =>
  typeof source === "string" ? Uint8Array.from(atob(source), (c) => c.charCodeAt(0)) : new Uint8Array(read(source));
