// Writes the vectors for the lossy store id mapping: what JavaScript, and so the published client, makes of a store id.
//   node vectors.mjs FILE
// Each vector is [[UTF-16 units of the store id], "folder name"]: units, because JSON text cannot carry a lone surrogate
// to every reader. The seed is fixed: the same file comes out on every machine.
import { writeFileSync } from 'node:fs'

const COUNT = 2000
const [file] = process.argv.slice(2)
if (!file) {
  process.stderr.write('usage: node vectors.mjs FILE\n')
  process.exit(64)
}

// xorshift32: four lines, and enough for strings that only have to be varied.
let state = 0x2f11ec5a
function random(below) {
  state ^= state << 13
  state ^= state >>> 17
  state ^= state << 5
  return (state >>> 0) % below
}
const between = (low, high) => low + random(high - low + 1)
const pick = (list) => list[random(list.length)]

const kinds = [
  () => [pick([...'ABCXYZabcxyz0189._-']).charCodeAt(0)],
  () => [pick([...' /\\:+%@#?&=*()[]{}|~^`\'"<>,;!$']).charCodeAt(0)],
  () => [between(0x00, 0x1f)],
  () => [between(0x7f, 0xff)],
  () => [between(0x0100, 0x05ff)],
  () => [0x65, between(0x0300, 0x036f)], // a letter that stays and a combining mark that does not
  () => [between(0x3040, 0x9fff)],
  () => [between(0xff01, 0xff5e)], // full-width twins of ASCII
  () => [between(0xd800, 0xdbff), between(0xdc00, 0xdfff)], // astral: one character, two units, two underscores
  () => [between(0xd800, 0xdbff)], // lone high surrogate
  () => [between(0xdc00, 0xdfff)], // lone low surrogate
  () => [pick([0x200b, 0x200d, 0x202e, 0x2028, 0x2029, 0xfeff, 0xfffd, 0xffff])],
]

const fixed = ['', '.', '..', 'a/b', 'a_b', 'é', 'e\u0301', '😀', '\ud83d', '\ude00', '\ude00\ud83d', 'ＡＢ', 'а', 'store1', 'store10']
const texts = [...fixed]
while (texts.length < COUNT) {
  const units = []
  const length = random(14)
  while (units.length < length) units.push(...pick(kinds)())
  texts.push(String.fromCharCode(...units))
}

const vectors = texts.map((text) => [
  Array.from({ length: text.length }, (_, i) => text.charCodeAt(i)),
  String(text).replace(/[^A-Za-z0-9._-]/g, '_'),
])
writeFileSync(file, `[\n${vectors.map((vector) => JSON.stringify(vector)).join(',\n')}\n]\n`)
