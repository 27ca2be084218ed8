/** The ends of the JSON objects that stand one after the other in a text; what is left over is no whole object. */
export function splitObjects(text: string): { readonly objects: string[]; readonly rest: string } {
  const objects: string[] = [];
  let depth = 0;
  let start = 0;
  let quoted = false;
  for (let i = 0; i < text.length; i++) {
    const character = text[i];
    if (quoted && character === "\\") i++;
    else if (character === '"') quoted = !quoted;
    else if (!quoted && character === "{") depth++;
    else if (!quoted && character === "}" && --depth === 0) {
      objects.push(text.slice(start, i + 1).trim());
      start = i + 1;
    }
  }
  return { objects, rest: text.slice(start).trim() };
}
