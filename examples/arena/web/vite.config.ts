import { defineConfig } from "vite";

// One html, one js, one css, under names that stay: they are checked in and embedded in the server.
export default defineConfig({
  build: {
    target: "es2022",
    modulePreload: false,
    rollupOptions: {
      output: {
        entryFileNames: "app.js",
        assetFileNames: "app[extname]",
      },
    },
  },
  server: {
    // `npm run dev` beside `cargo run -p arena`.
    proxy: { "/config.json": "http://127.0.0.1:8080" },
  },
});
