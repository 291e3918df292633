/**
 * What is left of a budget, as a bar with its words. Must never be read by colour alone.
 */
import type { Budget } from "../../api/slos";

export function BudgetBar({ budget }: { budget: Budget | null }) {
  if (budget === null || budget.left === null) return <span class="muted">not known</span>;
  const left = Math.max(0, Math.min(1, budget.left));
  const shape = left <= 0 ? "bad" : left < 0.25 ? "look" : "fine";
  const words = budget.left <= 0 ? "spent" : `${budget.left_words} left`;
  return (
    <span class="budget-bar">
      <span class="budget-track" aria-hidden="true">
        <span class={`budget-left budget-${shape}`} style={{ width: `${(left * 100).toFixed(1)}%` }} />
      </span>
      <span class="budget-words">{words}</span>
    </span>
  );
}
