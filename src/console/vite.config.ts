import { brotliCompressSync, constants, gzipSync } from 'node:zlib';
import { defineConfig, type Plugin } from 'vite';

/*
 * The pages are bundled into dist/console; nothing of them is loaded from elsewhere. Each file is
 * also written as .br and .gz, so that a node serves them without compressing anything.
 */

function precompressed(): Plugin {
  return {
    name: 'precompressed',
    enforce: 'post',
    generateBundle(_options, bundle) {
      for (const [fileName, file] of Object.entries(bundle)) {
        const bytes = Buffer.from(file.type === 'chunk' ? file.code : file.source);
        this.emitFile({
          type: 'asset',
          fileName: `${fileName}.br`,
          source: brotliCompressSync(bytes, {
            params: { [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length },
          }),
        });
        this.emitFile({
          type: 'asset',
          fileName: `${fileName}.gz`,
          source: gzipSync(bytes, { level: constants.Z_BEST_COMPRESSION }),
        });
      }
    },
  };
}

export default defineConfig({
  base: '/console/',
  esbuild: { jsx: 'automatic' },
  plugins: [precompressed()],
  build: {
    outDir: '../../dist/console',
    emptyOutDir: true,
    target: 'es2022',
    // An inlined font or picture would need `data:` where the policy does not allow it.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    rollupOptions: {
      onwarn(warning, warn) {
        // 'use client' of packages that are also rendered on servers.
        if (warning.code !== 'MODULE_LEVEL_DIRECTIVE') {
          warn(warning);
        }
      },
    },
  },
});
