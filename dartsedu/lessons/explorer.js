// The explorer of the lessons: controls above panels of marks. Python computes every scene; this
// file draws it.

import { FOCUSABLE, html, ownKeys, svg } from "../show/elements.js";

const SIZE = { width: 360, height: 300, left: 56, right: 14, top: 10, bottom: 46 };
const DASHES = { "-": null, "--": "7 4", ":": "2 4" };

const numbers = (value) => (Math.abs(value) < 0.005 ? 0 : value).toFixed(2);

/** From data to pixels along one axis. */
function scale([from, to], [start, end]) {
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

function bars(mark, { ends }) {
  const row = (SIZE.height - SIZE.top - SIZE.bottom) / mark.names.length;
  const x = scale(ends, [SIZE.left + 52, SIZE.width - SIZE.right - 36]);
  const zero = x(0);
  return mark.names.flatMap((name, i) => {
    const middle = SIZE.top + (i + 0.5) * row;
    const end = x(mark.values[i]);
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

function drawPanel(panel) {
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

function control(spec, model) {
  const label = html("span", { text: spec.label });
  const move = (place) => {
    model.set("places", { ...model.get("places"), [spec.name]: place });
    model.save_changes();
  };
  let input;
  const shown = html("span", { "aria-hidden": "true" });
  const follow = () => {
    const place = model.get("places")[spec.name];
    if (Number(input.value) !== place) input.value = place;
    if (!spec.menu) {
      shown.textContent = spec.values[place];
      input.setAttribute("aria-valuetext", spec.values[place]);
    }
  };
  if (spec.menu) {
    const options = spec.values.map((text, i) => html("option", { value: i, text }));
    input = html("select", { "aria-label": spec.label, ...FOCUSABLE }, ...options);
  } else {
    const range = { type: "range", min: 0, max: spec.values.length - 1, step: 1 };
    input = html("input", { ...range, "aria-label": spec.label, ...FOCUSABLE });
  }
  input.addEventListener("input", () => {
    move(Number(input.value));
    follow();
  });
  follow();
  return { node: html("label", { class: "dartsedu-control" }, label, input, shown), follow };
}

export default {
  render({ model, el }) {
    const controls = model.get("controls").map((spec) => control(spec, model));
    const words = html("output", { "aria-live": "polite" });
    const panels = html("div", { class: "dartsedu-panels" });
    const root = html(
      "div",
      { class: "dartsedu-lesson", role: "group", "aria-label": model.get("title") },
      html("h3", { text: model.get("title") }),
      html("div", { class: "dartsedu-controls" }, ...controls.map((c) => c.node)),
      words,
      panels,
    );
    const draw = () => {
      const scene = model.get("scene");
      words.textContent = scene.text;
      panels.replaceChildren(...scene.panels.map(drawPanel));
    };
    const follow = () => controls.forEach((c) => c.follow());
    ownKeys(root);
    model.on("change:scene", draw);
    model.on("change:places", follow);
    draw();
    el.append(root);
    return () => {
      model.off("change:scene", draw);
      model.off("change:places", follow);
    };
  },
};
