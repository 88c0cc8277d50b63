/** How the API writes a secret that is set. */
export const SECRET = '[secret]';

/** The part of the settings whose names or values hold the text; all of them for ''. */
export function matching(settings: Record<string, unknown>, text: string): Record<string, unknown> {
  const wanted = text.trim().toLowerCase();
  return wanted === '' ? settings : partOf(settings, wanted);
}

/** Empty: nothing in it matches. */
function partOf(branch: Record<string, unknown>, wanted: string): Record<string, unknown> {
  const found: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(branch)) {
    if (name.toLowerCase().includes(wanted)) {
      found[name] = value;
    } else if (Array.isArray(value)) {
      const items: unknown[] = value.filter((item) => isFound(item, wanted));
      if (items.length > 0) found[name] = items;
    } else if (typeof value === 'object' && value !== null) {
      const part = partOf(value as Record<string, unknown>, wanted);
      if (Object.keys(part).length > 0) found[name] = part;
    } else if (isFound(value, wanted)) {
      found[name] = value;
    }
  }
  return found;
}

function isFound(value: unknown, wanted: string): boolean {
  if (Array.isArray(value)) return value.some((item) => isFound(item, wanted));
  if (typeof value === 'object' && value !== null) {
    return Object.keys(partOf(value as Record<string, unknown>, wanted)).length > 0;
  }
  return String(value).toLowerCase().includes(wanted);
}
