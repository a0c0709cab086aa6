// Computes scenes as the browser would: a list of {explorer, places} on stdin, scenes on stdout.

import { readFileSync } from "node:fs";

globalThis.document = { querySelectorAll: () => [] };
const { localScene } = await import("../../dartsedu/lessons/explorer.js");

const asked = JSON.parse(readFileSync(0, "utf8"));
const model = (traits, places) => ({ get: (name) => (name === "places" ? places : traits[name]) });
process.stdout.write(JSON.stringify(asked.map(({ traits, places }) => localScene(model(traits, places)))));
