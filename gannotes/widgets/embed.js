// What a bundle carries, by its address from this module (bundle.py shows how to write it): `text` of a module is its
// bundle, a promise; `bytes` of another file are its bytes. A bundle has put base64 there; in node the file itself is read.
const read = (url, encoding) => process.getBuiltinModule("node:fs").readFileSync(url, encoding);

export const bytes = (source) =>
  typeof source === "string" ? Uint8Array.from(atob(source), (c) => c.charCodeAt(0)) : new Uint8Array(read(source));

const inflated = (deflated) => new Response(new Blob([deflated]).stream().pipeThrough(new DecompressionStream("deflate"))).text();
export const text = async (source) => (typeof source === "string" ? inflated(bytes(source)) : read(source, "utf8"));
