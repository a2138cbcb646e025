import { create } from "@bufbuild/protobuf";
import { Code, json } from "@due/index";
import { StatusSchema } from "@due/status-schema";
import { expect, test } from "vitest";
import { GreetResponseSchema } from "../gen/arena_pb";

const text = (body: Uint8Array) => new TextDecoder().decode(body);
const body = (text: string) => new TextEncoder().encode(text);

test("default values are written", () => {
  expect(text(json.encode(GreetResponseSchema, create(GreetResponseSchema)))).toBe('{"code":0,"message":"","uid":"0"}');
  expect(text(json.encode(StatusSchema, create(StatusSchema, { route: 1, code: 5 })))).toBe(
    '{"route":1,"seq":0,"code":5,"message":""}',
  );
});

test("unknown fields are ignored, an empty body is an empty message", () => {
  const read = json.decode(GreetResponseSchema, body('{"message":"hello due~~","since":"2.6"}'));
  expect(read).toEqual(create(GreetResponseSchema, { message: "hello due~~" }));
  expect(json.decode(GreetResponseSchema, body(""))).toEqual(create(GreetResponseSchema));
  expect(() => json.decode(GreetResponseSchema, body("{"))).toThrow();
});

test("codes are due's, and one of ours", () => {
  expect(Object.values(Code)).toEqual([-1, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
});
