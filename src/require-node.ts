// The first import of each process: says that this Node is too old, before a library that needs a
// newer one ends the process without a word.
const OLDEST_MAJOR = 24

const major = Number(process.versions.node.split('.')[0])
if (major < OLDEST_MAJOR) {
  process.stderr.write(
    `Otesse Auth needs Node ${OLDEST_MAJOR} or newer, and this is ${process.versions.node}. ` +
      'In a checkout, "npm ci" brings the right one: start it with "npm start" or "npm run".\n',
  )
  process.exit(1)
}
