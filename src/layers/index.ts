export type { LayerSink } from './blob-writer.ts';
export { type ConvertedLayer, type ConvertLayerOptions, convertLayer } from './convert-layer.ts';
export { createDecompressor } from './decompress.ts';
export type { Compression, Decompressor } from './decompressor.ts';
export { type ErofsFile, type ErofsReader, openErofs, type ReadAt } from './erofs/index.ts';
export { findIgzip } from './igzip.ts';
export { DEFAULT_LAYER_LIMITS, enforce, type LayerLimits } from './limits.ts';
export type { LowerInode, LowerLookup } from './lower.ts';
