// `npm run demo`: the flags of the demo, and its start.
import '../../src/require-node.ts'

// Not static imports: an older Node would read them first, and fail over syntax that it does not
// know.
const { openTerminal } = await import('../../src/cli/terminal.ts')
const { createProgram, runProgram } = await import('../../src/cli/program.ts')
const { runDemo } = await import('./demo.ts')

process.exitCode = await runProgram(
  process.argv.slice(2),
  process.env,
  openTerminal(),
  (terminal, _isJson, does) => {
    const program = createProgram('demo', terminal)
      .description('Runs a server, an app and an API on this machine, to try everything out.')
      .option('--fresh', 'forget what earlier demos kept')
      .option('--port <port>', 'the server; 3000, or a free one near it')
      .option('--app-port <port>', 'the app; 3001, or a free one near it')
      .option('--api-port <port>', 'the API; 3002, or a free one near it')
      .option('--other-port <port>', 'the systems to connect; 3003, or a free one near it')
      .option('--data-dir <directory>', 'where it keeps everything', '.data/demo')
      .addHelpText('after', '\nExample:\n  $ npm run demo -- --fresh')
    does(program, (session) => runDemo(session, program.opts()))
    return program
  },
)
