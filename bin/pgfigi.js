#!/usr/bin/env node
// Plain JavaScript that any Node understands, so that an old one gets a sentence instead of a syntax error.
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const [major, minor] = process.versions.node.split('.').map(Number)
if (major < 22 || (major === 22 && minor < 19)) {
  console.error(
    `pgfigi needs Node 22.19 or later, and this is ${process.version}. Install a newer one, or in your project: npm install node@24`,
  )
  process.exit(1)
}

// A checkout runs its source, whatever was built there once; the package ships no source.
const source = new URL('../src/cli/main.ts', import.meta.url)
const built = new URL('../dist/src/cli/main.js', import.meta.url)
await import(existsSync(fileURLToPath(source)) ? source.href : built.href)
