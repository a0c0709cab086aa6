// Panels of marks, as the explorer and the guesses of the lessons draw them. Python has taken the
// logarithms and chosen the ticks already.

import { html, svg } from "../show/elements.js";

export const SIZE = { width: 360, height: 300, left: 56, right: 14, top: 10, bottom: 46 };
const DASHES = { "-": null, "--": "7 4", ":": "2 4" };

const numbers = (value) => (Math.abs(value) < 0.005 ? 0 : value).toFixed(2);

/** From data to pixels along one axis. */
export function scale([from, to], [start, end]) {
  return (value) => start + ((value - from) / (to - from)) * (end - start);
}

const DRAW = {
  line(mark, x, y) {
    const points = mark.x.map((v, i) => `${x(v).toFixed(1)},${y(mark.y[i]).toFixed(1)}`).join(" ");
    return [
      svg("polyline", {
        points,
        fill: "none",
        stroke: mark.colour,
        "stroke-width": mark.faint ? 1 : 2.5,
        "stroke-dasharray": DASHES[mark.style],
        opacity: mark.faint ? 0.5 : null,
      }),
    ];
  },
  dots(mark, x, y) {
    const made = mark.x.map((v, i) =>
      svg("circle", { cx: x(v), cy: y(mark.y[i]), r: mark.size, fill: mark.colour }),
    );
    if (mark.label && mark.x.length) {
      const left = x(mark.x.at(-1)) > 0.7 * SIZE.width;
      made.push(
        svg("text", {
          x: x(mark.x.at(-1)) + (left ? -9 : 9),
          y: y(mark.y.at(-1)) - 8,
          "text-anchor": left ? "end" : "start",
          text: mark.label,
        }),
      );
    }
    return made;
  },
  arrow(mark, x, y) {
    const [x0, x1] = mark.x.map(x);
    const [y0, y1] = mark.y.map(y);
    const length = Math.hypot(x1 - x0, y1 - y0);
    if (length < 1) return [svg("circle", { cx: x0, cy: y0, r: 3, fill: mark.colour })];
    const [ux, uy] = [(x1 - x0) / length, (y1 - y0) / length];
    const head = Math.min(11, length);
    const [bx, by] = [x1 - head * ux, y1 - head * uy];
    const side = head / 2.2;
    return [
      svg("line", { x1: x0, y1: y0, x2: bx, y2: by, stroke: mark.colour, "stroke-width": 3 }),
      svg("polygon", {
        points: `${x1},${y1} ${bx - side * uy},${by + side * ux} ${bx + side * uy},${by - side * ux}`,
        fill: mark.colour,
      }),
    ];
  },
};

// Colours of a heat map from its lowest to its highest number, as matplotlib's cividis.
const CIVIDIS = [
  "#00224e", "#00285b", "#002e6a", "#053371", "#1a386f", "#273e6e", "#32436d", "#3b496c", "#434e6c", "#4b546c", "#535a6d",
  "#5a5f6e", "#61656f", "#686a71", "#6f7073", "#767676", "#7d7c78", "#848279", "#8c8878", "#938e78", "#9b9476", "#a39a74",
  "#aba072", "#b4a76f", "#bcae6c", "#c4b468", "#cdbb63", "#d5c25e", "#dec958", "#e7d150", "#f0d846", "#f9e03a", "#fee838",
];

export function heatColour(share) {
  const place = Math.min(Math.max(share, 0), 1) * (CIVIDIS.length - 1);
  const i = Math.min(Math.floor(place), CIVIDIS.length - 2);
  const part = (hex, k) => parseInt(hex.slice(1 + 2 * k, 3 + 2 * k), 16);
  const mixed = [0, 1, 2].map((k) => Math.round(part(CIVIDIS[i], k) + (place - i) * (part(CIVIDIS[i + 1], k) - part(CIVIDIS[i], k))));
  return `rgb(${mixed.join(",")})`;
}

function heat(mark, x, y) {
  const [high, wide] = [mark.rows.length, mark.rows[0].length];
  const [dx, dy] = [(x(mark.x[1]) - x(mark.x[0])) / (wide - 1), (y(mark.y[1]) - y(mark.y[0])) / (high - 1)];
  return mark.rows.flatMap((row, i) =>
    row.map((value, j) =>
      svg("rect", {
        x: x(mark.x[0]) + (j - 0.5) * dx,
        y: y(mark.y[0]) + i * dy - Math.abs(dy) / 2,
        width: Math.abs(dx) + 0.5,
        height: Math.abs(dy) + 0.5,
        fill: heatColour((value - mark.low) / (mark.high - mark.low)),
        "shape-rendering": "crispEdges",
      }),
    ),
  );
}
DRAW.heat = heat;

function bars(mark, { ends }) {
  const row = (SIZE.height - SIZE.top - SIZE.bottom) / mark.names.length;
  const x = scale(ends, [SIZE.left + 52, SIZE.width - SIZE.right - 36]);
  const zero = x(0);
  return mark.names.flatMap((name, i) => {
    const middle = SIZE.top + (i + 0.5) * row;
    const end = x(Math.min(Math.max(mark.values[i], ends[0]), ends[1]));
    return [
      svg("text", { x: SIZE.left + 46, y: middle + 4, "text-anchor": "end", text: name }),
      svg("rect", {
        x: Math.min(zero, end),
        y: middle - 0.35 * row,
        width: Math.max(1, Math.abs(end - zero)),
        height: 0.7 * row,
        fill: mark.colours[i],
      }),
      svg("text", { x: Math.max(zero, end) + 4, y: middle + 4, text: numbers(mark.values[i]) }),
    ];
  });
}

function pixels(mark) {
  const rows = mark.colours.length;
  const side = Math.min(SIZE.height, SIZE.width) / rows;
  return mark.colours.flatMap((row, i) =>
    row.map((fill, j) => svg("rect", { x: j * side, y: i * side, width: side + 0.5, height: side + 0.5, fill })),
  );
}

function axes(panel, x, y) {
  const { width, height, left, right, bottom, top } = SIZE;
  const floor = height - bottom;
  const made = [svg("path", { class: "dartsedu-axes", d: `M${left},${top}V${floor}H${width - right}` })];
  for (const [at, text] of panel.xaxis.ticks) {
    made.push(svg("path", { class: "dartsedu-axes", d: `M${x(at)},${floor}v5` }));
    made.push(svg("text", { x: x(at), y: floor + 18, "text-anchor": "middle", text }));
  }
  for (const [at, text] of panel.yaxis.ticks) {
    made.push(svg("path", { class: "dartsedu-axes", d: `M${left},${y(at)}h-5` }));
    made.push(svg("text", { x: left - 8, y: y(at) + 4, "text-anchor": "end", text }));
  }
  made.push(svg("text", { x: (left + width - right) / 2, y: height - 8, "text-anchor": "middle", text: panel.x }));
  const middle = (top + floor) / 2;
  made.push(
    svg("text", { transform: `translate(13,${middle}) rotate(-90)`, "text-anchor": "middle", text: panel.y }),
  );
  return made;
}

let clips = 0;

export function drawPanel(panel) {
  const first = panel.marks[0].kind;
  const { width, height, left, right, top, bottom } = SIZE;
  const image = svg("svg", { viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" });
  const keys = html("div", { class: "dartsedu-keys" });
  if (first === "bars") image.append(...bars(panel.marks[0], panel.xaxis));
  else if (first === "pixels") {
    image.setAttribute("viewBox", `0 0 ${height} ${height}`);
    image.append(...pixels(panel.marks[0]));
  } else {
    const x = scale(panel.xaxis.ends, [left, width - right]);
    const y = scale(panel.yaxis.ends, [height - bottom, top]);
    const id = `dartsedu-clip-${clips++}`;
    image.append(
      svg("clipPath", { id }, svg("rect", { x: left, y: 0, width: width - left, height: height - bottom })),
      ...(panel.bare ? [] : axes(panel, x, y)),
      svg("g", { "clip-path": `url(#${id})` }, ...panel.marks.flatMap((mark) => DRAW[mark.kind](mark, x, y))),
    );
    for (const mark of panel.marks.filter((m) => m.name)) {
      const swatch = svg("svg", { viewBox: "0 0 26 12", "aria-hidden": "true" });
      if (mark.kind === "heat") {
        const bar = html("span", { class: "dartsedu-bar", style: `background: linear-gradient(90deg, ${CIVIDIS.filter((_, i) => i % 4 === 0).join(",")})` });
        const [low, high] = [mark.low, mark.high].map((v) => Number(v.toPrecision(3)));
        keys.append(html("span", {}, html("span", { text: `${mark.name}: ${low}` }), bar, html("span", { text: high })));
        continue;
      }
      if (mark.kind === "dots") swatch.append(svg("circle", { cx: 13, cy: 6, r: 5, fill: mark.colour }));
      else {
        const dash = DASHES[mark.style];
        swatch.append(
          svg("path", { d: "M0,6H26", stroke: mark.colour, "stroke-width": 3, "stroke-dasharray": dash }),
        );
      }
      keys.append(html("span", {}, swatch, html("span", { text: mark.name })));
    }
  }
  return html("figure", {}, html("figcaption", { text: panel.title }), image, keys);
}
