// What the live view and the lessons' explorer are built of. dartsedu/show/script.py puts these lines into
// both of them. Words are only ever set as text.

const SVG = "http://www.w3.org/2000/svg";

/** Give a node attributes and children; absent values are left out, `text` is its words. */
export function put(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "text") node.textContent = value;
    else if (value !== null && value !== undefined && value !== false) node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}

export const html = (tag, attributes = {}, ...children) => put(document.createElement(tag), attributes, children);
export const svg = (tag, attributes = {}, ...children) => put(document.createElementNS(SVG, tag), attributes, children);

// JupyterLab and Notebook take letters typed on a button or slider for commands ("d d" deletes the
// cell) unless the focused element itself says otherwise.
export const FOCUSABLE = { "data-lm-suppress-shortcuts": "true" };

/** Keys typed in here are for what is in here, not for the notebook around it. */
export function ownKeys(root) {
  root.addEventListener("keydown", (event) => {
    if (!event.ctrlKey && !event.metaKey && !event.altKey) event.stopPropagation();
  });
}

/** Set an attribute that has changed. */
export function set(node, name, value) {
  if (node.getAttribute(name) !== String(value)) node.setAttribute(name, value);
}

/** Set words that have changed. */
export function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Whether Jupyter says that the kernel which made what stands around a node is gone: restarted or shut down. */
export const disconnected = (node) => node.closest(".jupyter-widgets-disconnected") !== null;
