import { Observable } from '../observable.js';

const KEY = 'relaymesh.theme';
const THEMES = ['auto', 'light', 'dark'] as const;

/** `auto`: as the system has it. */
export type Theme = (typeof THEMES)[number];

export const theme = new Observable<Theme>(stored());

export function applyTheme(): void {
  document.documentElement.dataset.theme = theme.value;
}

export function nextTheme(): void {
  const next = THEMES[(THEMES.indexOf(theme.value) + 1) % THEMES.length] ?? 'auto';
  localStorage.setItem(KEY, next);
  theme.set(next);
  applyTheme();
}

function stored(): Theme {
  const kept = localStorage.getItem(KEY);
  return THEMES.find((one) => one === kept) ?? 'auto';
}
