import { defineConfig } from "vitest/config";

export default defineConfig({
  resolve: {
    // The runtime under test; tsconfig.json says the same.
    alias: { "@due": new URL("build/due", import.meta.url).pathname },
  },
  test: { include: ["unit/**/*.test.ts"] },
});
