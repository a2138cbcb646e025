import { defineConfig } from "vitest/config";

export default defineConfig({
  resolve: {
    // The runtime under test; tsconfig.json says the same.
    alias: { "@due": new URL("gen/due", import.meta.url).pathname },
  },
  test: {
    include: ["unit/**/*.test.ts", "e2e/**/*.test.ts"],
    globalSetup: "e2e/setup.ts",
    // Compilers and browsers on a busy machine.
    testTimeout: 60_000,
    hookTimeout: 120_000,
  },
});
