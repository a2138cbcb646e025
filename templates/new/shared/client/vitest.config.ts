import { defineConfig } from "vitest/config";

export default defineConfig({
  // The first start of the server builds it.
  test: { include: ["tests/**/*.test.ts"], hookTimeout: 600_000 },
});
