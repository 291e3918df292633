/**
 * How well a title fits what was typed: letters in order, better at the beginnings of words, together, and early.
 * Must never depend on anything but its arguments.
 */

export interface Ranked<T> {
  item: T;
  score: number;
  /** Whether every word is there as a whole, not only its letters. */
  strong: boolean;
  /** Indices of the letters that matched, for marking. */
  marks: number[];
}

const isWordStart = (text: string, i: number): boolean =>
  i === 0 || (/[\s_\-./:={(,]/.test(text[i - 1]!) && !/\s/.test(text[i]!));

/** One word against a text; null when its letters are not all there in order. */
function fit(word: string, text: string): { score: number; marks: number[] } | null {
  const whole = text.indexOf(word);
  if (whole >= 0) {
    let at = whole;
    // A later occurrence at the beginning of a word is better than an earlier one inside a word.
    for (let i = whole; i >= 0; i = text.indexOf(word, i + 1)) {
      if (isWordStart(text, i)) {
        at = i;
        break;
      }
    }
    const marks = Array.from(word, (_, i) => at + i);
    return { score: 100 + word.length * 8 + (isWordStart(text, at) ? 60 : 0) - Math.min(at, 40), marks };
  }
  let score = 0;
  let from = 0;
  const marks: number[] = [];
  for (const letter of word) {
    let best = -1;
    for (let i = text.indexOf(letter, from); i >= 0; i = text.indexOf(letter, i + 1)) {
      if (best < 0) best = i;
      if (isWordStart(text, i)) {
        best = i;
        break;
      }
      if (i === from) break;
    }
    if (best < 0) return null;
    score += isWordStart(text, best) ? 12 : best === from ? 6 : 1;
    marks.push(best);
    from = best + 1;
  }
  return { score: score - Math.min(marks.at(-1)! - marks[0]!, 40) / 4, marks };
}

/** The items that fit, best first; equal ones in their given order. An empty query keeps all. */
export function rank<T>(query: string, items: readonly T[], textOf: (item: T) => string): Ranked<T>[] {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  const ranked: Ranked<T>[] = [];
  for (const item of items) {
    const text = textOf(item).toLowerCase();
    let score = 0;
    const marks: number[] = [];
    let strong = true;
    const fits = words.every((word) => {
      const f = fit(word, text);
      if (!f) return false;
      score += f.score;
      strong &&= text.includes(word);
      marks.push(...f.marks);
      return true;
    });
    if (fits)
      ranked.push({
        item,
        strong,
        score: score - text.length / 20,
        marks: [...new Set(marks)].sort((a, b) => a - b),
      });
  }
  return words.length === 0 ? ranked : ranked.sort((a, b) => b.score - a.score);
}
