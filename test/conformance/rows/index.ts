import type { Row } from '../row.ts';
import { listUsage } from './list-usage.ts';

/** Every row of the suite, by action. */
export const ROWS: readonly Row[] = [...listUsage];
