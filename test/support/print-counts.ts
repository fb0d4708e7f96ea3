// Prints the counts of a Jest run in one line, from the file that `jest --json` wrote. Called by
// test/run-all.sh. Fails if a test failed, if none ran, or if one was skipped although CI=true.
import { readFileSync } from 'node:fs'

interface Counts {
  numPassedTests: number
  numFailedTests: number
  numPendingTests: number
  numTodoTests: number
  numRuntimeErrorTestSuites: number
  success: boolean
}

const counts = JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8')) as Counts
const skipped = counts.numPendingTests + counts.numTodoTests
const isSkipRefused = skipped > 0 && process.env['CI'] === 'true'

if (isSkipRefused) console.error('In CI every test has to run; some were skipped.')
// A file that cannot even be loaded has no tests to count, and is a failure all the same.
const failed = counts.numFailedTests + counts.numRuntimeErrorTestSuites
const tail = skipped > 0 ? `, ${skipped} skipped` : ''
console.log(`${counts.numPassedTests} passed, ${failed} failed${tail}`)
if (!counts.success || failed > 0 || isSkipRefused || counts.numPassedTests === 0)
  process.exitCode = 1
