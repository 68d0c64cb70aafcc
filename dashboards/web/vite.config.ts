import { defineConfig } from 'vite'

/** The app is static files that query-api serves; nothing in it asks another host. */
export default defineConfig({
  base: './',
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  build: { outDir: '../dist', emptyOutDir: true, target: 'es2023', chunkSizeWarningLimit: 700 },
  server: { proxy: { '/api': process.env.WEIR_API_URL ?? 'http://127.0.0.1:8080' } },
})
