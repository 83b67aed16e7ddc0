"use strict";

// Packets are gzip in base64; see influence/display/report/page.py.
async function unpack(name) {
  const packed = atob(document.getElementById(`packet-${name}`).textContent);
  const bytes = Uint8Array.from(packed, (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).text();
}

const FACTS = JSON.parse(document.getElementById("facts").textContent);
const frames = new Map();

// A table: its columns by name, each an array of texts as the file writes them.
function frame(name) {
  if (!document.getElementById(`packet-${name}`)) return Promise.resolve({ columns: {}, length: 0 });
  if (!frames.has(name)) frames.set(name, unpack(name).then(readFrame));
  return frames.get(name);
}

function readFrame(text) {
  const columns = Object.fromEntries(Object.entries(JSON.parse(text)).map(
    ([key, { names, indices }]) =>
      [key, indices ? indices.split(",").map((index) => names[index]) : names]));
  return { columns, length: Object.values(columns)[0].length };
}

// Make an element. Texts are set as text, so that a name with a tag in it stays a name.
function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [key, value] of Object.entries(properties)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

// Call back, once, when an element comes near the window.
function whenNear(target, act) {
  const watch = new IntersectionObserver((entries) => {
    if (!entries.some((entry) => entry.isIntersecting)) return;
    watch.disconnect();
    act();
  }, { rootMargin: "300px" });
  watch.observe(target);
}
