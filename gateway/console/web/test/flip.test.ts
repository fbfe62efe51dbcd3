import { expect, test } from "vitest";
import { Parts } from "../src/playback/flip";

function part(at: string, content: string): Uint8Array {
  return new TextEncoder().encode(`--x\r\nContent-Type: image/jpeg\r\nContent-Length: ${content.length}\r\nCampus-At: ${at}\r\n\r\n${content}\r\n`);
}

test("pictures come out whole and in order, wherever the network cuts", async () => {
  const all = new Uint8Array([...part("a", "one\r\n\r\n--x"), ...part("b", "two")]);
  for (let cut = 0; cut <= all.length; cut += 1) {
    const parts = new Parts();
    const seen: string[] = [];
    for (const piece of [all.subarray(0, cut), all.subarray(cut)]) {
      parts.add(piece);
      for (let leaf = parts.next(); leaf !== null; leaf = parts.next()) seen.push(`${leaf.at} ${await leaf.blob.text()}`);
    }
    expect(seen).toEqual(["a one\r\n\r\n--x", "b two"]);
  }
});

test("what does not say how long it is, or says nonsense, is not waited for", () => {
  for (const head of ["Content-Type: image/jpeg", "Content-Length: 0", "Content-Length: 99999999999"]) {
    const parts = new Parts();
    parts.add(new TextEncoder().encode(`--x\r\n${head}\r\n\r\n`));
    expect(() => parts.next()).toThrow();
  }
  const endless = new Parts();
  endless.add(new Uint8Array(5_000));
  expect(() => endless.next()).toThrow();
});
