// Gives each browser test 90 s on slow machines. Run by Jest before each file of the project
// browser, because Jest reads testTimeout for all projects together and ignores it in one.
import { jest } from '@jest/globals'

jest.setTimeout(90_000)
