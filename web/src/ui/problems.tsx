/**
 * What is wrong with files of rules and objectives, and where. Must never hide that something in a file is not used.
 */
import { Notice } from "./notice";

export interface FileProblem {
  file: string;
  line: number;
  what: string;
  is_error: boolean;
}

export function FileProblems({ list }: { list: readonly FileProblem[] }) {
  if (list.length === 0) return null;
  return (
    <div class="monitors-problems">
      <Notice title="Something in the files cannot be used; the rest goes on." tone="bad">
        <ul>
          {list.map((p) => (
            <li key={`${p.file} ${p.line} ${p.what}`}>
              <code>
                {p.file}
                {p.line > 0 && `:${p.line}`}
              </code>{" "}
              {p.what}
            </li>
          ))}
        </ul>
      </Notice>
    </div>
  );
}
