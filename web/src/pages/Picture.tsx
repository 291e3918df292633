/**
 * The small picture of a line, with the part shaded that is compared. Must never be taken for a chart: it has no axes.
 */
import { spanText } from "../format/time";
import { formatValue } from "../format/units";
import { picturePath } from "./compare";

export function Picture(props: {
  values: readonly (number | null)[];
  unit: string;
  /** Seconds of one value. */
  stepS: number;
  /** Where the shaded part begins, of 144; all is shaded by default. */
  from?: number;
}) {
  const drawn = picturePath(props.values);
  const from = props.from ?? 0;
  const about = `${formatValue(drawn.low, props.unit)} to ${formatValue(drawn.high, props.unit)}, ${spanText(
    props.stepS * props.values.length,
  )}${from > 0 ? "; the shaded part is what is compared" : ""}`;
  return (
    <svg class="moved-picture" viewBox="0 0 144 30" preserveAspectRatio="none" role="img" aria-label={about}>
      <title>{about}</title>
      {from > 0 && <rect x={from} y="0" width={144 - from} height="30" class="moved-window" />}
      <path d={drawn.path} />
      {drawn.dots.map((d) => (
        <circle key={`${d.x}`} cx={d.x} cy={d.y} r="1.4" />
      ))}
    </svg>
  );
}
