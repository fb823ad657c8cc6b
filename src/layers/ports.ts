/** What others name without loading the converter. */
export { DEFAULT_LAYER_LIMITS, type LayerLimits } from './limits.ts';
