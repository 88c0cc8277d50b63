import { MemoryMedium, MemorySpool } from './memory-spool.js';
import { spoolConformance } from './spool-conformance.js';
import { bytesOf, INLINE_BYTES } from './spool-medium.js';

spoolConformance('memory spool', async () => {
  const medium = new MemoryMedium();
  return {
    spool: () => new MemorySpool(medium, INLINE_BYTES),
    bodyFiles: async () => [...medium.files.keys()],
    strayBodyFile: async (id) => void medium.files.set(id, bytesOf(10)),
    damageRecord: async (id) =>
      void Object.assign(medium.messages.get(id) ?? {}, { damaged: true }),
    shortenBodyFile: async (id) => void medium.files.set(id, bytesOf(4999)),
    removeBodyFile: async (id) => void medium.files.delete(id),
    flipBodyFile: async (id) => {
      const bytes = Buffer.from(medium.files.get(id) ?? []);
      bytes[2500] = (bytes[2500] as number) ^ 1;
      medium.files.set(id, bytes);
    },
    refuseWrites: (why) => void Object.assign(medium, { [why]: true }),
    takeWrites: () => void Object.assign(medium, { refusing: false, full: false }),
  };
});
