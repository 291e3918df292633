// The head of a table: the names of its columns. It must never know what they mean.

import type { ComponentChildren } from "preact";

export function Columns({ names }: { names: ComponentChildren[] }) {
  return (
    <thead>
      <tr>
        {names.map((name, i) => (
          <th key={i} scope="col">
            {name}
          </th>
        ))}
      </tr>
    </thead>
  );
}
