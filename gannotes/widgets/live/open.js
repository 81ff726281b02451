// Opens the engine: `text` is worker.js with all that it imports, as one, or a promise of it. In a worker made of a Blob; on the page where
// workers are refused. Returns {send(message), close(), place: Promise of "worker" or "page"}.

export function openEngine(text, onMessage, { worker = true } = {}) {
  let send = null, close = () => {};
  const inPlace = async (words) => (worker ? inWorker(words, onMessage).catch(() => onPage(words, onMessage)) : onPage(words, onMessage));
  const waiting = [], place = Promise.resolve(text).then(inPlace).then((opened) => {
    [send, close] = [opened.send, opened.close];
    waiting.splice(0).forEach(send);
    return opened.place;
  });
  return { send: (message) => (send ? send(message) : waiting.push(message)), close: () => place.then(() => close()), place };
}

const address = (text) => URL.createObjectURL(new Blob([text], { type: "text/javascript" }));

// The worker says "here" before it is believed: some hosts refuse it only when it starts.
function inWorker(text, onMessage) {
  return new Promise((resolve, reject) => {
    const url = address(text), worker = new Worker(url);
    worker.onerror = (event) => {
      event.preventDefault();
      reject(new Error("the worker did not start"));
    };
    worker.onmessage = ({ data }) => {
      if (data.type !== "here") return onMessage(data);
      URL.revokeObjectURL(url);
      resolve({ place: "worker", send: (message) => worker.postMessage(message), close: () => worker.terminate() });
    };
  });
}
async function onPage(text, onMessage) {
  const url = address(text);
  await import(url);
  URL.revokeObjectURL(url);
  const handle = globalThis[Symbol.for("gannotes.engine")]((message) => onMessage(message));
  return { place: "page", send: (message) => setTimeout(() => handle(message), 0), close: () => handle({ type: "pause" }) };
}
