#!/usr/bin/env node
// The command `otesse`: for operators and their scripts, on the same stores and through the same functions as the server. Its exit code is 0
// for done, 1 for failed or refused, 2 for a command that was written wrongly.
import './require-node.ts'
import { openTerminal } from './cli/terminal.ts'
import { runCli } from './cli/program.ts'

process.exitCode = await runCli(process.argv.slice(2), process.env, openTerminal())
