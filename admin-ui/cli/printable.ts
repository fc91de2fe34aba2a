/** Control characters, and those that turn the direction of a text: what clients send could otherwise drive a terminal. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what this looks for.
const UNPRINTABLE = /[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g

/** A text from outside, safe on a terminal: what would steer it is written as `\u001b`. */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, escaped)
}

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
}
