// Scenes that the browser computes by itself, by the name of the explorer's `compute`. Each function is
// given the explorer's data, the values of its controls and the scene of the start, which it changes.
// The Python beside it gives the same (tests/lessons/test_compute.py).

import { heatColour } from "./panel.js";

function softmax(alphas) {
  const most = Math.max(...alphas);
  const parts = alphas.map((a) => Math.exp(a - most));
  const sum = parts.reduce((a, b) => a + b, 0);
  return parts.map((p) => p / sum);
}

const gated = (gate, alphas) => (gate === "softmax" ? softmax(alphas) : alphas.map((a) => 1 / (1 + Math.exp(-a))));
const signed = (value, digits) => `${value < 0 ? "-" : "+"}${Math.abs(value).toFixed(digits)}`;

/** The weights of one edge and its mixed map. */
function mixing(data, values, scene) {
  const p = gated(values.gate, data.names.map((name) => values[name] / values.temperature));
  const mixed = data.maps[0].map((row, i) => row.map((_, j) => p.reduce((sum, w, k) => sum + w * data.maps[k][i][j], 0)));
  const [weights, image] = scene.panels;
  weights.title = `weights: ${values.gate}(α / T)`;
  weights.marks[0].values = p;
  image.marks[0].colours = mixed.map((row) => row.map((v) => heatColour((v - data.low) / (data.high - data.low))));
  const words = data.words.map((word, k) => `${word} ${p[k].toFixed(2)}`).join(", ");
  scene.text = `Weights: ${words}. Their sum is ${p.reduce((a, b) => a + b, 0).toFixed(2)}.`;
  return scene;
}

/** The loss over two α, from tables of losses and slopes. */
function surface(data, values, scene) {
  const table = data.tables[`${values.steps} ${values.gate}`];
  const at = (value) => Math.round((value + 3) / 0.25);
  const [i, j] = [at(values.second), at(values.first)];
  const [map, weights] = scene.panels;
  const [heat, arrow, here] = map.marks;
  heat.rows = table.loss;
  const slope = [table.first[i][j], table.second[i][j]];
  arrow.x = [values.first, values.first - data.reach * slope[0]];
  arrow.y = [values.second, values.second - data.reach * slope[1]];
  [here.x, here.y] = [[values.first], [values.second]];
  weights.marks[0].values = gated(values.gate, [values.first, values.second]);
  const losses = table.loss.flat();
  const steepness = Math.hypot(...slope).toFixed(3);
  scene.text =
    `Loss here ${table.loss[i][j].toFixed(3)}, steepness ${steepness}. ` +
    `On the whole map from ${Math.min(...losses).toFixed(3)} to ${Math.max(...losses).toFixed(3)}.`;
  return scene;
}

/** A mixture of functions on its data. */
function functions(data, values, scene) {
  const p = softmax(data.names.map((name) => values[name]));
  const mixed = data.y.map((_, i) => p.reduce((sum, w, k) => sum + w * data.parts[k][i], 0));
  const loss = mixed.reduce((sum, v, i) => sum + (v - data.y[i]) ** 2, 0) / mixed.length;
  scene.panels[0].marks.at(-1).y = mixed;
  scene.panels[1].marks[0].values = p;
  const words = data.names.map((name, k) => `${name} ${p[k].toFixed(2)}`).join(", ");
  scene.text = `Mean squared error ${loss.toFixed(5)} with the weights ${words}. ${data.found}`;
  return scene;
}

const validation = (alpha, w) => alpha * w - 2 * alpha + 1;

function descend(xi, steps) {
  let [alpha, w] = [2, -2];
  const path = [[alpha, w]];
  for (let i = 0; i < steps; i++) {
    const virtual = w - 2 * xi * (w - alpha);
    alpha -= 0.1 * (virtual - 2 + 2 * xi * alpha);
    w -= 0.1 * 2 * (w - alpha);
    path.push([alpha, w]);
  }
  return path;
}

const column = (path, k) => path.map((point) => point[k]);

/** The game of Fig. 2: the path for ξ, and how far every smaller ξ has come. */
function game(data, values, scene) {
  const { xi, steps } = values;
  const [path, ends] = scene.panels;
  const lines = path.marks.slice(data.background);
  const [first, second] = [descend(0, steps), descend(xi, steps)];
  [lines[0].x, lines[0].y] = [column(first, 0), column(first, 1)];
  [lines[1].x, lines[1].y] = [column(second, 0), column(second, 1)];
  lines[1].name = `second order, ξ = ${Number(xi.toPrecision(6))}`;
  const [alpha, w] = second.at(-1);
  [lines[3].x, lines[3].y] = [[alpha], [w]];
  const reached = data.xis.filter((one) => one <= xi + 1e-9);
  ends.marks[0].x = reached;
  ends.marks[0].y = reached.map((one) => descend(one, steps).at(-1)[0]);
  ends.marks.length = 1;
  if (values.curve === "show") ends.marks.push(data.curve);
  scene.text =
    `After ${steps} steps with ξ = ${Number(xi.toPrecision(6))}: α = ${alpha.toFixed(3)}, w = ${w.toFixed(3)}, ` +
    `L_val = ${validation(alpha, w).toFixed(3)}.`;
  return scene;
}

/** Direct and implicit term of Fig. 2 as arrows. */
function arrows(data, { alpha, w, xi }, scene) {
  const virtual = w - 2 * xi * (w - alpha);
  const [direct, implicit] = [virtual - 2, 2 * xi * alpha];
  const [one, both] = [alpha - direct, alpha - direct - implicit];
  const place = (mark, from, to) => {
    mark.x = [from[0], to[0]];
    mark.y = [from[1], to[1]];
  };
  const [, step, first, second, sum, here] = scene.panels[0].marks;
  place(step, [alpha, w], [alpha, virtual]);
  place(first, [alpha, virtual], [one, virtual]);
  place(second, [one, virtual - 0.35], [both, virtual - 0.35]);
  place(sum, [alpha, virtual - 0.7], [both, virtual - 0.7]);
  [here.x, here.y] = [[alpha], [w]];
  scene.panels[1].marks[0].values = [-direct, -implicit, -direct - implicit];
  const way = Math.abs(direct + implicit) < 1e-9 ? "α stays" : direct + implicit < 0 ? "α goes up" : "α goes down";
  scene.text =
    `w′ = ${virtual.toFixed(2)}. Downhill: −direct ${signed(-direct, 2)}, −implicit ${signed(-implicit, 2)}, ` +
    `together ${signed(-direct - implicit, 2)}: ${way}.`;
  return scene;
}

/** A cell with these operations on its edges, and where it stands among all (cell_explorer in truth.py). */
function cellOfTable(data, values, scene) {
  const chosen = Object.values(values).map((name) => data.names.indexOf(name));
  const number = chosen.reduce((before, choice) => before * data.names.length + choice, 0);
  const own = data.right[data.rows[number]];
  const share = (count) => (100 * count) / data.right.length;
  const rank = 1 + data.right.filter((right) => right > own).length;
  const worse = share(data.right.filter((right) => right < own).length).toFixed(1);
  const grouped = (count) => count.toLocaleString("en-US");
  const [drawn, among] = scene.panels;
  const looks = drawn.marks.slice(-data.names.length);
  chosen.forEach((choice, edge) => {
    const { colour, style } = looks[choice];
    Object.assign(drawn.marks[edge], { colour, style });
  });
  const accuracy = Number((own / data.images).toPrecision(5));
  Object.assign(among.marks.at(-1), { x: [rank], y: [accuracy], label: `rank ${grouped(rank)}` });
  const right = ((100 * own) / data.images).toFixed(1);
  const stands = `rank ${grouped(rank)} of ${grouped(data.right.length)}: better than ${worse} % of the cells`;
  return { ...scene, text: `${right}% right; ${stands}.` };
}

/** Functions (data, values, start) → scene. */
export const COMPUTE = { mixing, surface, functions, game, arrows, cellOfTable };
