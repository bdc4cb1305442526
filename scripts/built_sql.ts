import { parseSync, type Visitor } from 'oxc-parser'
