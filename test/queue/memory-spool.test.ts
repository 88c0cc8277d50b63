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
    refuseWrites: () => void (medium.refusing = true),
    takeWrites: () => void (medium.refusing = false),
  };
});
