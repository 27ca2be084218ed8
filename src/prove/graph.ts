import type { Connection, Group, Matrix } from "./matrix.ts";
import { type FormatOptions, reachText } from "./matrix-formats.ts";

/** Parts of a label that are shown in a picture; the rest is counted. */
const MOST_LABEL = 60;

function labelOf(connection: Connection, options: FormatOptions): string {
  const text = reachText(connection, options);
  return text.length > MOST_LABEL ? `${text.slice(0, MOST_LABEL - 1)}…` : text;
}

function byNamespace(groups: readonly Group[]): Map<string, Group[]> {
  return Map.groupBy(groups, ({ namespace }) => namespace);
}

/** The name within its namespace. */
function shortTitle({ title, namespace, workloads }: Group): string {
  const name = namespace === "" ? title : title.slice(namespace.length + 1);
  return workloads.length > 1 ? `${name} +${workloads.length - 1}` : name;
}

/** A graph in the language of Graphviz. */
export function matrixDot({ groups, connections }: Matrix, options: FormatOptions): string {
  const quote = (text: string) => `"${text.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`;
  const node = (group: Group) => `n${groups.indexOf(group)}`;
  const lines = ["digraph reach {", "  rankdir=LR;", "  node [shape=box];"];
  for (const [namespace, members] of byNamespace(groups)) {
    const indent = namespace === "" ? "  " : "    ";
    if (namespace !== "") lines.push(`  subgraph ${quote(`cluster_${namespace}`)} {`, `    label=${quote(namespace)};`);
    for (const group of members) lines.push(`${indent}${node(group)} [label=${quote(shortTitle(group))}];`);
    if (namespace !== "") lines.push("  }");
  }
  for (const connection of connections) {
    const style = connection.missing === undefined ? "" : ", style=dashed";
    lines.push(
      `  ${node(connection.from)} -> ${node(connection.to)} [label=${quote(labelOf(connection, options))}${style}];`,
    );
  }
  return [...lines, "}", ""].join("\n");
}

/** A flowchart in the language of Mermaid. */
export function matrixMermaid({ groups, connections }: Matrix, options: FormatOptions): string {
  const quote = (text: string) => `"${text.replace(/["<>&#|]/g, (character) => `#${character.charCodeAt(0)};`)}"`;
  const node = (group: Group) => `n${groups.indexOf(group)}`;
  const lines = ["flowchart LR"];
  let count = 0;
  for (const [namespace, members] of byNamespace(groups)) {
    const indent = namespace === "" ? "  " : "    ";
    if (namespace !== "") lines.push(`  subgraph s${count++}[${quote(namespace)}]`);
    for (const group of members) lines.push(`${indent}${node(group)}[${quote(shortTitle(group))}]`);
    if (namespace !== "") lines.push("  end");
  }
  for (const connection of connections) {
    const arrow = connection.missing === undefined ? "-->" : "-.->";
    lines.push(`  ${node(connection.from)} ${arrow}|${quote(labelOf(connection, options))}| ${node(connection.to)}`);
  }
  return [...lines, ""].join("\n");
}

/** Pixels. */
const [BOX_WIDTH, BOX_HEIGHT, MARGIN, CHARACTER] = [180, 28, 120, 6.2];

/** A box of a picture. */
export interface PictureBox {
  readonly text: string;
  /** Shown where the pointer rests. */
  readonly hint: string;
}

/** An arrow of a picture, between the boxes at these places of the list. */
export interface PictureArrow {
  readonly from: number;
  readonly to: number;
  readonly hint: string;
  readonly isDashed: boolean;
  /** Default: blue. */
  readonly colour?: string;
}

const BLUE = "#4a78b5";

/** A picture as SVG: boxes around a circle, and arrows between them. */
export function pictureSvg(boxes: readonly PictureBox[], arrows: readonly PictureArrow[]): string {
  const xml = (text: string) => text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);
  const radius = Math.max(160, (boxes.length * (BOX_HEIGHT + 22)) / Math.PI);
  const size = 2 * (radius + MARGIN);
  const places = boxes.map((_, index) => {
    const angle = (2 * Math.PI * index) / boxes.length - Math.PI / 2;
    const at = (value: number) => Math.round((size / 2 + radius * value) * 10) / 10;
    return { x: at(Math.cos(angle)), y: at(Math.sin(angle)) };
  });
  const lines = arrows.map(({ hint, isDashed, colour, ...ends }) => {
    const [from, to] = [places[ends.from]!, places[ends.to]!];
    const path =
      from === to
        ? `M ${from.x} ${from.y} c 60 -60 60 60 0 0`
        : `M ${from.x} ${from.y} Q ${size / 2} ${size / 2} ${to.x} ${to.y}`;
    const look = `${isDashed ? ' stroke-dasharray="5 4"' : ""}${colour === undefined ? "" : ` style="stroke:${colour}"`}`;
    return `<path d="${path}" class="arrow"${look} marker-mid="url(#tip)" marker-end="url(#tip)"><title>${xml(hint)}</title></path>`;
  });
  const frames = boxes.map(({ text: name, hint }, index) => {
    const { x, y } = places[index]!;
    const most = Math.floor(BOX_WIDTH / CHARACTER);
    const text = name.length > most ? `${name.slice(0, most - 1)}…` : name;
    return `<g><rect x="${x - BOX_WIDTH / 2}" y="${y - BOX_HEIGHT / 2}" width="${BOX_WIDTH}" height="${BOX_HEIGHT}" rx="5"/><text x="${x}" y="${y + 4}">${xml(text)}</text><title>${xml(hint)}</title></g>`;
  });
  const style = `path.arrow{fill:none;stroke:${BLUE};stroke-width:1.2}rect{fill:#f4f7fb;stroke:#345}text{font:11px sans-serif;text-anchor:middle;fill:#123}`;
  const tip =
    '<defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" orient="auto"><path d="M0 0L8 4L0 8z" fill="context-stroke"/></marker></defs>';
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${size} ${size}"><style>${style}</style>${tip}\n${[...lines, ...frames].join("\n")}\n</svg>\n`;
}

/** Groups around a circle, an arrow for each connection, with its ports as the arrow's tooltip. */
export function matrixSvg({ groups, connections }: Matrix, options: FormatOptions): string {
  const ordered = [...byNamespace(groups).values()].flat();
  const boxes = ordered.map((group) => ({
    text: group.namespace === "" ? group.title : `${group.namespace}/${shortTitle(group)}`,
    hint: [group.title, ...group.workloads].join("\n"),
  }));
  const arrows = connections.map((connection) => ({
    from: ordered.indexOf(connection.from),
    to: ordered.indexOf(connection.to),
    hint: `${connection.from.title} -> ${connection.to.title}: ${reachText(connection, options)}`,
    isDashed: connection.missing !== undefined,
  }));
  return pictureSvg(boxes, arrows);
}
