/** Confidence: how sure a mean over seeds of chance is. */
import { mean } from './run-result.js';

/** Two-sided 95 % of Student's t, by degrees of freedom from 1 on; beyond, the normal's. */
const STUDENT = [
  12.71, 4.3, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26, 2.23, 2.2, 2.18, 2.16, 2.14, 2.13, 2.12, 2.11, 2.1,
  2.09, 2.09, 2.08, 2.07, 2.07, 2.06, 2.06, 2.06, 2.05, 2.05, 2.05, 2.04,
];

/** Half the width of the mean's 95 % confidence interval; undefined with fewer than two values. */
export function halfWidth(values: readonly number[]): number | undefined {
  if (values.length < 2) return undefined;
  const centre = mean(values);
  const variance = values.reduce((sum, value) => sum + (value - centre) ** 2, 0) / (values.length - 1);
  return (STUDENT[values.length - 2] ?? 1.96) * Math.sqrt(variance / values.length);
}
