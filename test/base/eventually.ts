const PATIENCE_MS = 10_000;

/**
 * Lets the event loop turn until the condition holds. For what ends by itself but does not say
 * when, such as a write that nobody waits for; it never waits longer than the thing takes.
 */
export async function eventually(
  what: string,
  holds: () => boolean | Promise<boolean>,
): Promise<void> {
  const deadlineMs = performance.now() + PATIENCE_MS;
  while (!(await holds())) {
    if (performance.now() > deadlineMs) {
      throw new Error(`did not happen within ${PATIENCE_MS} ms: ${what}`);
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
}
