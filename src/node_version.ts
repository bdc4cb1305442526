// Imported before anything else, so that an old Node says this and not what the first of our dependencies trips over.
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
if (major < 22 || (major === 22 && minor < 19)) {
  throw new Error(
    `pgfigi needs Node 22.19 or later, and this is ${process.version}. Install a newer one, or in your project: npm install node@24`,
  )
}
