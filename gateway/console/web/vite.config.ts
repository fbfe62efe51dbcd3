import { defineConfig } from "vite";

// Chromium 109 is the last one for Windows 7 and 8.1, which stand in many guard rooms.
export default defineConfig({
  base: "/console/",
  esbuild: { jsx: "automatic", jsxImportSource: "preact" },
  build: {
    target: "chrome109",
    outDir: "dist",
    sourcemap: false,
    // One style for all screens: a part of it that could not be fetched while the gateway began anew is never asked for again.
    cssCodeSplit: false,
    assetsInlineLimit: 0, // a strict CSP allows no data: scripts or styles
    modulePreload: { polyfill: false },
  },
  worker: { format: "es" },
});
