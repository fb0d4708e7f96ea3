#!/usr/bin/env node
// The command `otesse`: for operators and their scripts, on the same stores and through the same
// functions as the server. Its exit code is 0 for done, 1 for failed or refused, 2 for a command
// that was written wrongly.
import './require-node.ts'

// Not static imports: an older Node would read them first, and fail over syntax that it does not
// know.
const { openTerminal } = await import('./cli/terminal.ts')
const { runCli } = await import('./cli/program.ts')
process.exitCode = await runCli(process.argv.slice(2), process.env, openTerminal())
