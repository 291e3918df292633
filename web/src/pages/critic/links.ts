/**
 * From a query to what Look can show of it: the selectors in it. Must never touch the DOM.
 */

/** Selectors of series in a query, `name{...}`, each once, at most `max`. Words of PromQL are none. */
export function selectorsOf(promql: string, max = 4): string[] {
  const found: string[] = [];
  let i = 0;
  while (i < promql.length) {
    const rest = promql.slice(i);
    const quoted = /^"(?:[^"\\]|\\.)*"|^'(?:[^'\\]|\\.)*'/.exec(rest);
    if (quoted) {
      i += quoted[0].length;
      continue;
    }
    const word = /^[a-zA-Z_:][\w:]*/.exec(rest);
    if (!word) {
      i += 1;
      continue;
    }
    i += word[0].length;
    if (promql[i] === "{") {
      const end = closing(promql, i);
      found.push(word[0] + promql.slice(i, end));
      i = end;
    } else if (
      /^\s*\(/.test(promql.slice(i)) &&
      /^(by|without|on|ignoring|group_left|group_right)$/.test(word[0])
    ) {
      i = promql.indexOf(")", i) + 1 || promql.length;
    } else if (/_/.test(word[0]) && !/^\s*\(/.test(promql.slice(i))) {
      found.push(word[0]);
    }
  }
  return [...new Set(found)].slice(0, max);
}

/** The place after the bracket that closes the one at `from`; brackets in quotes do not count. */
function closing(text: string, from: number): number {
  for (let i = from; i < text.length; i++) {
    const quoted = /^"(?:[^"\\]|\\.)*"|^'(?:[^'\\]|\\.)*'/.exec(text.slice(i));
    if (quoted) i += quoted[0].length - 1;
    else if (text[i] === "}") return i + 1;
  }
  return text.length;
}
