// Scenes that the browser computes by itself, by the name of the explorer's `compute`. Each function is
// given the explorer's data, the values of its controls and the scene of the start to change; the
// Python beside it gives the same (tests/lessons/test_compute.py).

/** Functions (data, values, start) → scene. */
export const COMPUTE = {};

/** A cell with these operations on its edges, and where it stands among all (cell_explorer in truth.py). */
COMPUTE.cellOfTable = (data, values, scene) => {
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
};
