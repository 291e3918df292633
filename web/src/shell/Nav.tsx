/**
 * The way to every page: those that are used all the time side by side, the others behind one button; on a small
 * screen all of them behind it. Must never know what a page is about.
 */
import { useEffect, useRef, useState } from "preact/hooks";
import type { Page } from "../state/url";

/** A page in the bar. */
export interface Place {
  page: Page;
  title: string;
  /** It lies behind the button on every screen. */
  isSeldom?: boolean;
}

export function Nav(props: { places: readonly Place[]; page: Page; hrefOf: (page: Page) => string }) {
  const { places, page, hrefOf } = props;
  const [isOpen, setOpen] = useState(false);
  const menu = useRef<HTMLDivElement>(null);
  const current = places.find((p) => p.page === page);
  useEffect(() => setOpen(false), [page]);
  useEffect(() => {
    if (!isOpen) return;
    const outside = (e: Event): void => {
      if (!menu.current?.contains(e.target as Node)) setOpen(false);
    };
    document.addEventListener("pointerdown", outside);
    menu.current?.querySelector("a")?.focus();
    return () => document.removeEventListener("pointerdown", outside);
  }, [isOpen]);
  const onKey = (e: KeyboardEvent): void => {
    if (!isOpen) return;
    const links = [...(menu.current?.querySelectorAll<HTMLElement>(".nav-menu a") ?? [])].filter(
      (a) => a.offsetParent !== null,
    );
    const step = { ArrowDown: 1, ArrowUp: -1 }[e.key];
    if (e.key === "Escape") {
      setOpen(false);
      menu.current?.querySelector("button")?.focus();
    } else if (step) {
      const at = links.indexOf(document.activeElement as HTMLElement);
      links[(at + step + links.length) % links.length]?.focus();
    } else {
      return;
    }
    e.preventDefault();
    e.stopPropagation();
  };
  const link = (p: Place) => (
    <a
      key={p.page}
      href={hrefOf(p.page)}
      class={p.isSeldom ? "is-seldom" : "is-often"}
      aria-current={p.page === page ? "page" : undefined}
      onClick={() => setOpen(false)}
    >
      {p.title}
    </a>
  );
  return (
    <nav aria-label="Pages">
      <div class="nav-row">{places.filter((p) => !p.isSeldom).map(link)}</div>
      {/* biome-ignore lint/a11y/noStaticElementInteractions: the keys are those of the links inside */}
      <div class="nav-more" ref={menu} onKeyDown={onKey}>
        <button
          type="button"
          class={current?.isSeldom ? "is-current" : ""}
          aria-expanded={isOpen}
          aria-haspopup="true"
          onClick={() => setOpen(!isOpen)}
        >
          <span class="nav-wide">{current?.isSeldom ? current.title : "More"}</span>
          <span class="nav-small">{current?.title ?? "Pages"}</span>
          <svg class="icon" viewBox="0 0 16 16" aria-hidden="true">
            <path d="M4 6.5 8 10.5l4-4" />
          </svg>
        </button>
        {isOpen && <div class="nav-menu">{places.map(link)}</div>}
      </div>
    </nav>
  );
}
