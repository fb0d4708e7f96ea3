// The server process: settings → foundation → app → listen; drains on SIGTERM and SIGINT. Its exit code is 0 after an orderly end, 1 when it
// could not start or stop in time.
import './require-node.ts'
import { runServer } from './serve.ts'

process.exitCode = await runServer(process.env)
